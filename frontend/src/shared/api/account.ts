import createClient from 'openapi-fetch';
import type { paths } from './generated/account';
import { done, toProblem } from './problem';

export interface User {
  user_id: string;
  handle: string;
  display_name: string;
  /** May be empty. */
  status_text?: string;
  /** `default:<name>`, `file:<file id>`, or empty. */
  picture?: string;
}

export interface Credentials {
  accessToken: string;
  expiresInSeconds: number;
  user: User;
}

/** The refresh token goes into a cookie that scripts can't read. */
const api = createClient<paths>({
  baseUrl: globalThis.location?.origin ?? '',
  headers: { 'X-Parlance-Session': 'cookie' },
  credentials: 'same-origin',
});

/** What this browser is called in the list of sessions. */
function deviceName(): string {
  const agent = navigator.userAgent;
  const browser = ['Edg', 'Firefox', 'OPR', 'Chrome', 'Safari'].find((one) => agent.includes(one));
  const system = ['Android', 'iPhone', 'iPad', 'Windows', 'Mac OS', 'Linux'].find((one) =>
    agent.includes(one),
  );
  const names: Record<string, string> = { Edg: 'Edge', OPR: 'Opera', 'Mac OS': 'macOS' };
  const parts = [browser, system].flatMap((part) => (part ? [names[part] ?? part] : []));
  return parts.join(', ') || 'Web client';
}

export async function signIn(email: string, password: string): Promise<Credentials> {
  const answer = await api.POST('/api/account/sign-in', {
    body: { email, password, device_name: deviceName() },
  });
  return credentials(answer);
}

export async function register(account: {
  email: string;
  password: string;
  display_name: string;
  handle: string;
}): Promise<Credentials> {
  const answer = await api.POST('/api/account/register', {
    body: { ...account, device_name: deviceName() },
  });
  return credentials(answer);
}

/** By the cookie, or by a token that was handed over. */
export async function refresh(refresh_token?: string): Promise<Credentials> {
  const body = refresh_token === undefined ? {} : { refresh_token };
  return credentials(await api.POST('/api/account/refresh', { body }));
}

export async function logOut(): Promise<void> {
  done(await api.POST('/api/account/log-out', {}));
}

/** Mails a link to set a new password, if somebody has the address. */
export async function askForRecovery(email: string): Promise<void> {
  done(await api.POST('/api/account/recovery', { body: { email } }));
}

export async function setRecoveredPassword(token: string, new_password: string): Promise<void> {
  done(await api.POST('/api/account/recovery/complete', { body: { token, new_password } }));
}

export async function verifyEmail(token: string): Promise<void> {
  done(await api.POST('/api/account/email/verify', { body: { token } }));
}

/** Other places that people can sign in by. */
export async function listProviders(): Promise<{ name: string; display_name: string }[]> {
  const { data, error, response } = await api.GET('/api/account/oidc/providers');
  if (!data) throw toProblem(response.status, error);
  return data.providers;
}

/** Begins a way to a provider: the address to go on at. */
export async function startProvider(
  provider: string,
  purpose: 'sign_in' | 'link' | 'prove',
  return_to: string,
  accessToken?: string,
): Promise<string> {
  const { data, error, response } = await api.POST('/api/account/oidc/{provider}/start', {
    params: { path: { provider } },
    body: { purpose, device_name: deviceName(), return_to },
    ...(accessToken && { headers: { authorization: `Bearer ${accessToken}` } }),
  });
  if (!data) throw toProblem(response.status, error);
  return data.authorization_url;
}

function credentials(answer: {
  data?: { access_token: string; expires_in_seconds: number; user: User } | undefined;
  error?: unknown;
  response: Response;
}): Credentials {
  if (!answer.data) throw toProblem(answer.response.status, answer.error);
  const { access_token, expires_in_seconds, user } = answer.data;
  return { accessToken: access_token, expiresInSeconds: expires_in_seconds, user };
}
