// @vitest-environment node
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileMessage } from '@lingui/message-utils/compileMessage';
import { expect, it } from 'vitest';

const folder = join(import.meta.dirname, 'messages');
const catalogOf = (language: string): Record<string, string> =>
  JSON.parse(readFileSync(join(folder, `${language}.json`), 'utf8'));
const en = catalogOf('en');

function argumentsOf(message: string): string[] {
  const found = new Set<string>();
  const visit = (part: unknown): void => {
    if (!Array.isArray(part)) return;
    const [name, , options] = part;
    if (typeof name === 'string') found.add(name);
    if (typeof options === 'object' && options !== null) {
      for (const inner of Object.values(options)) if (Array.isArray(inner)) inner.forEach(visit);
    }
  };
  const compiled = compileMessage(message);
  if (Array.isArray(compiled)) compiled.forEach(visit);
  return [...found].sort();
}

function filesBelow(path: string): string[] {
  return readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((file) => file.isFile() && /\.tsx?$/u.test(file.name))
    .map((file) => join(file.parentPath, file.name));
}

it('says the same in every language', () => {
  for (const language of readdirSync(folder).map((name) => name.replace('.json', ''))) {
    const other = catalogOf(language);
    expect(Object.keys(other).sort(), language).toEqual(Object.keys(en).sort());
    for (const [key, message] of Object.entries(en)) {
      expect(argumentsOf(other[key] ?? ''), `${language}: ${key}`).toEqual(argumentsOf(message));
    }
  }
});

it('has no message that nothing says', () => {
  const source = filesBelow(join(import.meta.dirname, '../..'))
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');
  const unsaid = Object.keys(en).filter((key) => {
    // Some keys are put together: `${area}.${code}`.
    const area = key.slice(0, key.lastIndexOf('.') + 1);
    return !source.includes(`'${key}'`) && !source.includes(`\`${area}\${`);
  });
  expect(unsaid).toEqual([]);
});
