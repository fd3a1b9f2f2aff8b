/** The same person has the same colour everywhere. */
const COLOURS = 8;

const BACKGROUNDS = [
  'bg-[#4f60d2]',
  'bg-[#0c776d]',
  'bg-[#b0456b]',
  'bg-[#9c570b]',
  'bg-[#6f51bd]',
  'bg-[#21699f]',
  'bg-[#4f6f24]',
  'bg-[#98493a]',
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
