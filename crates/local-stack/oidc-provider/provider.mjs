// A provider of OpenID Connect for tests and laptops: the certified `oidc-provider`, with its own forms
// to sign in. Whoever signs in as `x` is `x`, with the verified e-mail address `x` if that is one; as
// `unverified:x` with an address that the provider does not vouch for.
//
// node provider.mjs <port> <client id> <client secret> <redirect URI>
import { Provider } from 'oidc-provider';

const [port, client_id, client_secret, redirect_uri] = process.argv.slice(2);

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id, client_secret, redirect_uris: [redirect_uri] }],
  pkce: { required: () => true },
  cookies: { keys: ['only for tests'] },
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      name: `Name of ${id}`,
      email: id.replace('unverified:', ''),
      email_verified: !id.startsWith('unverified:'),
    }),
  }),
});

provider.listen(Number(port), '127.0.0.1');
