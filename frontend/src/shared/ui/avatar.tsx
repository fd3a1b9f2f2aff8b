const COLOURS = [
  'bg-[#5b6ee1]',
  'bg-[#0f8a7e]',
  'bg-[#c2557a]',
  'bg-[#b0640f]',
  'bg-[#7a5bc7]',
  'bg-[#2779b8]',
  'bg-[#5a7d2a]',
  'bg-[#a3513b]',
];

/** The same person has the same colour everywhere. */
function colourOf(id: string): string {
  let hash = 0;
  for (const char of id) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) >>> 0;
  return COLOURS[hash % COLOURS.length] ?? '';
}

export function initials(name: string): string {
  const words = name.split(/[\s._-]+/u).filter((word) => word !== '');
  const first = [...(words[0] ?? '')][0] ?? '?';
  const last = words.length > 1 ? ([...(words.at(-1) ?? '')][0] ?? '') : '';
  return (first + last).toLocaleUpperCase();
}

export function Avatar({ id, name, size }: { id: string; name: string; size: 'small' | 'large' }) {
  const measure = size === 'large' ? 'size-12 text-base' : 'size-8 text-xs';
  return (
    <span
      className={`${measure} ${colourOf(id)} inline-flex shrink-0 select-none items-center justify-center rounded-full font-semibold text-white`}
      aria-hidden="true"
    >
      {initials(name)}
    </span>
  );
}
