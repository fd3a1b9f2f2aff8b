const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'long' });
const shortWeekday = new Intl.DateTimeFormat(undefined, { weekday: 'short' });
const dayOfYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long' });
const fullDate = new Intl.DateTimeFormat(undefined, { dateStyle: 'long' });
const shortDate = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const numericDate = new Intl.DateTimeFormat(undefined, { dateStyle: 'short' });
const precise = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' });

export const timeOfDay = (ms: number): string => clock.format(ms);
export const preciseTime = (ms: number): string => precise.format(ms);

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
  if (days <= 0) return 'Today';
  if (days === 1) return 'Yesterday';
  if (days < 7) return weekday.format(ms);
  return new Date(ms).getFullYear() === new Date(nowMs).getFullYear()
    ? dayOfYear.format(ms)
    : fullDate.format(ms);
}

/** Beside a line of the conversation list. */
export function shortTime(ms: number, nowMs: number): string {
  const days = daysAgo(ms, nowMs);
  if (days <= 0) return clock.format(ms);
  if (days === 1) return 'Yesterday';
  if (days < 7) return shortWeekday.format(ms);
  return new Date(ms).getFullYear() === new Date(nowMs).getFullYear()
    ? shortDate.format(ms)
    : numericDate.format(ms);
}
