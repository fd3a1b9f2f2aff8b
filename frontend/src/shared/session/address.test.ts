import { beforeEach, expect, it, vi } from 'vitest';

const at = (address: string) => globalThis.history.replaceState(null, '', address);

beforeEach(() => vi.resetModules());

it('takes a token out of the address and leaves the rest', async () => {
  at('/chat/user?handle=ada&token=secret');
  const { handedToken } = await import('./address');
  expect(handedToken).toBe('secret');
  expect(globalThis.location.href).not.toContain('secret');
  expect(globalThis.location.search).toBe('?handle=ada');
});

it('takes a token behind the hash', async () => {
  at('/group/tea/connect#token=secret');
  const { handedToken } = await import('./address');
  expect(handedToken).toBe('secret');
  expect(globalThis.location.href).toMatch(/\/group\/tea\/connect$/u);
});

it('gives the secret of a link as often as it is asked for', async () => {
  at('/recover#abc');
  const { handedToken, takeSecret } = await import('./address');
  expect(handedToken).toBeUndefined();
  expect([takeSecret(), takeSecret()]).toEqual(['abc', 'abc']);
  expect(globalThis.location.hash).toBe('');
});
