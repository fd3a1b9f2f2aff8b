/** Numbers from `from` to `to`, both included. */
export interface Range {
  from: number;
  to: number;
}

/** Ascending ranges that neither overlap nor touch, with `added` among them. */
export function addRange(ranges: readonly Range[], added: Range): Range[] {
  if (added.to < added.from) return [...ranges];
  const apart: Range[] = [];
  let { from, to } = added;
  for (const range of ranges) {
    if (range.to + 1 < from || range.from > to + 1) {
      apart.push(range);
    } else {
      from = Math.min(from, range.from);
      to = Math.max(to, range.to);
    }
  }
  return [...apart, { from, to }].sort((a, b) => a.from - b.from);
}

export function rangeWith(ranges: readonly Range[], number: number): Range | undefined {
  return ranges.find((range) => range.from <= number && number <= range.to);
}

/** The parts of ranges that lie above a number. */
export function rangesAbove(ranges: readonly Range[], number: number): Range[] {
  return ranges
    .filter((range) => range.to > number)
    .map((range) => ({ from: Math.max(range.from, number + 1), to: range.to }));
}
