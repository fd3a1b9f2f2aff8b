import { type KeyboardEvent, useMemo, useRef, useState } from 'react';
import { type MessageKey, t } from '../i18n/i18n';
import type { EmojiGroup } from './emoji-data';
import { useEmojiData } from './emoji-data';
import { recentEmoji, rememberEmoji } from './recent';

const GROUPS: { key: MessageKey; icon: string }[] = [
  { key: 'emoji.smileys', icon: '😀' },
  { key: 'emoji.people', icon: '👋' },
  { key: 'emoji.nature', icon: '🐻' },
  { key: 'emoji.food', icon: '🍏' },
  { key: 'emoji.travel', icon: '🚗' },
  { key: 'emoji.activities', icon: '⚽' },
  { key: 'emoji.objects', icon: '💡' },
  { key: 'emoji.symbols', icon: '🔣' },
  { key: 'emoji.flags', icon: '🏁' },
];
const COLUMNS = 8;
const FOUND_AT_MOST = 80;

/** All emoji, by group or by what one types; arrows move in the grid. */
export default function EmojiPicker({ onPick }: { onPick: (emoji: string) => void }) {
  const groups = useEmojiData();
  const [search, setSearch] = useState('');
  const [group, setGroup] = useState(0);
  const grid = useRef<HTMLDivElement>(null);
  const recent = useMemo(recentEmoji, []);
  const shown = useMemo(
    () => (groups ? chosen(groups, search.trim().toLocaleLowerCase(), group) : []),
    [groups, search, group],
  );
  const pick = (emoji: string) => {
    rememberEmoji(emoji);
    onPick(emoji);
  };
  const pressed = (event: KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -COLUMNS, ArrowDown: COLUMNS }[event.key];
    const all = [...(grid.current?.querySelectorAll<HTMLElement>('button') ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement);
    if (step === undefined || (at < 0 && event.key !== 'ArrowDown')) return;
    event.preventDefault();
    all[at < 0 ? 0 : Math.max(0, Math.min(all.length - 1, at + step))]?.focus();
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: its buttons take the focus, it only hears their keys
    <div className="flex h-80 w-76 max-w-full flex-col gap-2 p-1" onKeyDown={pressed}>
      <input
        type="search"
        // biome-ignore lint/a11y/noAutofocus: who opens a picker wants to pick
        autoFocus
        value={search}
        onChange={(event) => setSearch(event.target.value)}
        placeholder={t('emoji.search')}
        aria-label={t('emoji.search')}
        className="rounded-xl bg-raised px-3 py-2 outline-none placeholder:text-soft focus:ring-2 focus:ring-accent/40"
      />
      {search.trim() === '' && (
        <div role="toolbar" aria-label={t('emoji.groups')} className="flex justify-between">
          {GROUPS.map(({ key, icon }, index) => (
            <button
              key={key}
              type="button"
              aria-label={t(key)}
              title={t(key)}
              aria-pressed={index === group}
              className="cursor-pointer rounded-lg p-1 text-base leading-none hover:bg-hover aria-pressed:bg-selected"
              onClick={() => setGroup(index)}
            >
              {icon}
            </button>
          ))}
        </div>
      )}
      <div ref={grid} className="min-h-0 flex-1 overflow-y-auto">
        {search.trim() === '' && recent.length > 0 && (
          <Grid label={t('emoji.recent')} emoji={recent.map((one) => [one, one])} onPick={pick} />
        )}
        <Grid
          label={search.trim() === '' ? t(GROUPS[group]?.key ?? 'emoji.search') : undefined}
          emoji={shown}
          onPick={pick}
        />
        {groups && shown.length === 0 && (
          <p className="py-8 text-center text-soft text-sm">{t('list.nothingFound')}</p>
        )}
      </div>
    </div>
  );
}

function Grid({
  label,
  emoji,
  onPick,
}: {
  label: string | undefined;
  emoji: [string, string][];
  onPick: (emoji: string) => void;
}) {
  return (
    <>
      {label && <p className="px-1 pt-1 pb-0.5 font-medium text-soft text-xs">{label}</p>}
      <div className="grid grid-cols-8">
        {emoji.map(([character, name]) => (
          <button
            key={character}
            type="button"
            aria-label={name}
            title={name}
            className="aspect-square cursor-pointer rounded-lg text-xl leading-none hover:bg-hover"
            onClick={() => onPick(character)}
          >
            {character}
          </button>
        ))}
      </div>
    </>
  );
}

function chosen(groups: EmojiGroup[], search: string, group: number): [string, string][] {
  const all = search === '' ? (groups[group] ?? []) : groups.flat();
  const found = all.filter(
    ([, name, words]) => search === '' || name.includes(search) || words.includes(search),
  );
  // Whose name begins with it comes first.
  if (search !== '') {
    found.sort((a, b) => Number(b[1].startsWith(search)) - Number(a[1].startsWith(search)));
    found.length = Math.min(found.length, FOUND_AT_MOST);
  }
  return found.map(([character, name]) => [character, name]);
}
