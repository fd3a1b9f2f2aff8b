/** The same person has the same colour everywhere. */
const COLOURS = 8;

const BACKGROUNDS = [
  'bg-[#5b6ee1]',
  'bg-[#0f8a7e]',
  'bg-[#c2557a]',
  'bg-[#b0640f]',
  'bg-[#7a5bc7]',
  'bg-[#2779b8]',
  'bg-[#5a7d2a]',
  'bg-[#a3513b]',
];
/** Readable on a bubble, light and dark. */
const TEXTS = [
  'text-person-0',
  'text-person-1',
  'text-person-2',
  'text-person-3',
  'text-person-4',
  'text-person-5',
  'text-person-6',
  'text-person-7',
];

export const backgroundClass = (id: string): string => BACKGROUNDS[colourOf(id)] ?? '';
export const colourClass = (id: string): string => TEXTS[colourOf(id)] ?? '';

function colourOf(id: string): number {
  let hash = 0;
  for (const char of id) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) >>> 0;
  return hash % COLOURS;
}
