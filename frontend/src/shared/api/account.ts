import createClient from 'openapi-fetch';
import type { paths } from './generated/account';
import { toProblem } from './problem';

export interface User {
  user_id: string;
  handle: string;
  display_name: string;
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

const device_name = 'Web client';

export async function signIn(email: string, password: string): Promise<Credentials> {
  const answer = await api.POST('/api/account/sign-in', { body: { email, password, device_name } });
  return credentials(answer);
}

export async function register(account: {
  email: string;
  password: string;
  display_name: string;
  handle: string;
}): Promise<Credentials> {
  const answer = await api.POST('/api/account/register', { body: { ...account, device_name } });
  return credentials(answer);
}

export async function refresh(): Promise<Credentials> {
  return credentials(await api.POST('/api/account/refresh', { body: {} }));
}

export async function logOut(): Promise<void> {
  const { response, error } = await api.POST('/api/account/log-out', {});
  if (!response.ok) throw toProblem(response.status, error);
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
