import { expect, it } from 'vitest';
import { linkParts } from './links';

it('links http and https, without the punctuation behind', () => {
  expect(linkParts('see https://example.org/a?b=1, or (http://example.com).')).toEqual([
    { text: 'see ', at: 0 },
    { text: 'https://example.org/a?b=1', href: 'https://example.org/a?b=1', at: 4 },
    { text: ', or (', at: 29 },
    { text: 'http://example.com', href: 'http://example.com', at: 35 },
    { text: ').', at: 53 },
  ]);
});

it('links nothing else', () => {
  for (const text of ['javascript:alert(1)', 'data:text/html,x', 'www.example.org', 'https://']) {
    expect(linkParts(text).every((part) => part.href === undefined)).toBe(true);
  }
});
