export interface TextPart {
  text: string;
  href?: string;
  /** Where it begins in the whole text. */
  at: number;
}

const ADDRESS = /https?:\/\/[^\s<>"'`]+/giu;
/** Punctuation after an address belongs to the sentence. */
const TRAILING = /[.,;:!?)\]}…]+$/u;

/** Cuts a text into plain parts and addresses; only http and https become links. */
export function linkParts(text: string): TextPart[] {
  const parts: TextPart[] = [];
  let from = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = match[0].replace(TRAILING, '');
    if (!URL.canParse(address)) continue;
    if (match.index > from) parts.push({ text: text.slice(from, match.index), at: from });
    parts.push({ text: address, href: address, at: match.index });
    from = match.index + address.length;
  }
  if (from < text.length) parts.push({ text: text.slice(from), at: from });
  return parts;
}
