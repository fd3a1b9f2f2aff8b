/**
 * Secrets in the address. They are taken out of it before anything else sees it, so that no history, no
 * `Referer` and no picture of the screen keeps them. Import it before the router.
 */

/** A refresh token by which a page of another system hands its person over: `?token=` or `#token=`. */
export const handedToken = takeToken();

let secret = '';

/** What follows `#` in the address of a link. Called again it gives the same: a screen may be drawn twice. */
export function takeSecret(): string {
  const { hash } = globalThis.location;
  if (hash.length > 1) {
    secret = decodeURIComponent(hash.slice(1));
    replaceAddress((url) => {
      url.hash = '';
    });
  }
  return secret;
}

/** What a way over another provider ended in. */
export interface ProviderOutcome {
  outcome?: string;
  /** A code. */
  error?: string;
}

/** As it stands in the address. */
export function takeProviderOutcome(): ProviderOutcome {
  const { searchParams } = new URL(globalThis.location.href);
  const outcome = searchParams.get('oidc') ?? undefined;
  const error = searchParams.get('oidc_error') ?? undefined;
  if (outcome ?? error) {
    replaceAddress((url) => {
      url.searchParams.delete('oidc');
      url.searchParams.delete('oidc_error');
    });
  }
  return { ...(outcome && { outcome }), ...(error && { error }) };
}

function takeToken(): string | undefined {
  const url = new URL(globalThis.location.href);
  const inHash = new URLSearchParams(url.hash.slice(1)).get('token');
  const token = url.searchParams.get('token') ?? inHash;
  if (!token) return undefined;
  replaceAddress((address) => {
    address.searchParams.delete('token');
    if (inHash) address.hash = '';
  });
  return token;
}

function replaceAddress(change: (url: URL) => void): void {
  const url = new URL(globalThis.location.href);
  change(url);
  globalThis.history.replaceState(globalThis.history.state, '', url);
}
