import { locale, t } from '../i18n/i18n';

type Kind = keyof typeof KINDS;

const KINDS = {
  clock: { hour: '2-digit', minute: '2-digit' },
  weekday: { weekday: 'long' },
  shortWeekday: { weekday: 'short' },
  dayOfYear: { day: 'numeric', month: 'long' },
  fullDate: { dateStyle: 'long' },
  shortDate: { day: 'numeric', month: 'short' },
  numericDate: { dateStyle: 'short' },
  precise: { dateStyle: 'full', timeStyle: 'short' },
} as const satisfies Record<string, Intl.DateTimeFormatOptions>;

const formats = new Map<string, Intl.DateTimeFormat>();

/** Making a format costs more than using it. */
function format(kind: Kind, ms: number): string {
  const key = `${locale()} ${kind}`;
  const known = formats.get(key) ?? new Intl.DateTimeFormat(locale(), KINDS[kind]);
  formats.set(key, known);
  return known.format(ms);
}

export const timeOfDay = (ms: number): string => format('clock', ms);
export const preciseTime = (ms: number): string => format('precise', ms);

/** Midnights between then and now, as the person's clock has them. */
export function daysAgo(ms: number, nowMs: number): number {
  const midnight = (of: number) => {
    const date = new Date(of);
    return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  };
  return Math.round((midnight(nowMs) - midnight(ms)) / 86_400_000);
}

/** Over a day of messages. */
export function dayName(ms: number, nowMs: number): string {
  const days = daysAgo(ms, nowMs);
  if (days <= 0) return t('time.today');
  if (days === 1) return t('time.yesterday');
  if (days < 7) return format('weekday', ms);
  return format(isSameYear(ms, nowMs) ? 'dayOfYear' : 'fullDate', ms);
}

/** Beside a line of the conversation list. */
export function shortTime(ms: number, nowMs: number): string {
  const days = daysAgo(ms, nowMs);
  if (days <= 0) return format('clock', ms);
  if (days === 1) return t('time.yesterday');
  if (days < 7) return format('shortWeekday', ms);
  return format(isSameYear(ms, nowMs) ? 'shortDate' : 'numericDate', ms);
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
];

/** "5 minutes ago", "in 3 days"; within a minute: "now". */
export function relativeTime(ms: number, nowMs: number): string {
  const relative = new Intl.RelativeTimeFormat(locale(), { numeric: 'auto' });
  for (const [unit, length] of STEPS) {
    if (Math.abs(ms - nowMs) >= length) {
      return relative.format(Math.trunc((ms - nowMs) / length), unit);
    }
  }
  return relative.format(0, 'second');
}

/** Day and time, short. */
export function dayAndTime(ms: number, nowMs: number): string {
  const days = daysAgo(ms, nowMs);
  return days <= 0 ? format('clock', ms) : `${shortTime(ms, nowMs)}, ${format('clock', ms)}`;
}

function isSameYear(ms: number, nowMs: number): boolean {
  return new Date(ms).getFullYear() === new Date(nowMs).getFullYear();
}
