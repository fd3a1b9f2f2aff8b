import type { Page } from '@playwright/test';
import { Device, newAccount } from './people';
import { expect, test } from './test';

/** The suite's own provider of OpenID Connect (`--oidc`), which believes whatever one says. */
const BY_PROVIDER = 'Continue with Test';

async function saysWhoThere(page: Page, login: string): Promise<void> {
  await page.getByPlaceholder('Enter any login').fill(login);
  await page.getByPlaceholder('and password').fill('anything');
  await page.getByRole('button', { name: 'Sign-in' }).click();
}

/** Fills in the provider's pages, until it sends the browser back. */
async function signInThere(page: Page, login: string): Promise<void> {
  await saysWhoThere(page, login);
  await page.getByRole('button', { name: 'Continue' }).click();
}

async function cancelThere(page: Page): Promise<void> {
  await page.getByRole('link', { name: 'Cancel' }).click();
}

async function signInByProvider(device: Device, login: string, path = '/'): Promise<void> {
  await device.page.goto(path);
  await device.page.getByRole('button', { name: BY_PROVIDER }).click();
  await signInThere(device.page, login);
}

/** Of the settings, where the provider is one line. */
function link(page: Page) {
  return page.getByRole('button', { name: 'Link', exact: true });
}

function unlink(page: Page) {
  return page.getByRole('button', { name: 'Unlink', exact: true });
}

test('who comes from a provider gets an account, and comes back to it from another device', async ({
  browser,
}) => {
  const { email } = newAccount('Ada');
  const laptop = await Device.open(browser, 0);
  await signInByProvider(laptop, email, '/settings/profile');
  const name = laptop.page.getByLabel('Name', { exact: true });
  await expect(name).toHaveValue(`Name of ${email}`);
  await laptop.isConnected();
  // Nothing of the way there is left in the address.
  expect(new URL(laptop.page.url()).search).toBe('');
  await name.fill('Ada');
  await laptop.page.getByRole('button', { name: 'Save' }).click();
  await expect(laptop.page.getByText('Saved.')).toBeVisible();
  await laptop.page.reload();
  await expect(name).toHaveValue('Ada');

  const phone = await Device.open(browser, 1);
  await signInByProvider(phone, email, '/settings/profile');
  await expect(phone.page.getByLabel('Name', { exact: true })).toHaveValue('Ada');
  await phone.isConnected();
});

test('a provider is linked to an account with a password, and unlinked', async ({ browser }) => {
  const account = newAccount('Ada');
  const ada = await Device.open(browser, 0);
  await ada.signUp(account, '/settings/security');
  await expect(link(ada.page)).toBeVisible();

  // The same address at a provider is not yet the same person.
  const phone = await Device.open(browser, 1);
  await signInByProvider(phone, account.email);
  await expect(phone.page.getByText(/Your e-mail address has an account here/)).toBeVisible();
  await expect(phone.page.getByLabel('Password')).toBeVisible();

  await link(ada.page).click();
  await signInThere(ada.page, account.email);
  await expect(ada.page.getByText(/^Linked\./)).toBeVisible();
  await expect(unlink(ada.page)).toBeVisible();
  await expect(ada.page.getByText(account.email)).toHaveCount(2);
  await ada.page.getByRole('button', { name: 'Show', exact: true }).click();
  await expect(ada.page.getByText('Another way to sign in was linked')).toBeVisible();

  // The provider knows this browser by now, and asks nothing.
  await phone.page.getByRole('button', { name: BY_PROVIDER }).click();
  await phone.isConnected();
  await phone.page.goto('/settings/profile');
  await expect(phone.page.getByLabel('Handle')).toHaveValue(account.handle);

  await unlink(ada.page).click();
  await expect(link(ada.page)).toBeVisible();
  const stranger = await Device.open(browser, 1);
  await signInByProvider(stranger, account.email);
  await expect(stranger.page.getByText(/Your e-mail address has an account here/)).toBeVisible();
});

test('who turns back at the provider is told so, and can try again', async ({ browser }) => {
  const { email } = newAccount('Ada');
  const { page } = await Device.open(browser, 0);
  await page.goto('/');
  await page.getByRole('button', { name: BY_PROVIDER }).click();
  await cancelThere(page);
  await expect(page.getByText(/Signing in there did not work/)).toBeVisible();
  await expect(page.getByRole('button', { name: 'Sign in', exact: true })).toBeVisible();
  await page.getByRole('button', { name: BY_PROVIDER }).click();
  await signInThere(page, `unverified:${email}`);
  await expect(page.getByText(/No account was made/)).toBeVisible();

  const account = newAccount('Ben');
  const ben = await Device.open(browser, 0);
  await ben.signUp(account, '/settings/security');
  await link(ben.page).click();
  await cancelThere(ben.page);
  await expect(ben.page.getByRole('alert')).toHaveText(/nothing has changed/);
  await link(ben.page).click();
  await signInThere(ben.page, account.email);
  await expect(unlink(ben.page)).toBeVisible();
});

test('somebody else’s identity is not linked', async ({ browser }) => {
  const { email } = newAccount('Ada');
  const ada = await Device.open(browser, 0);
  await signInByProvider(ada, email);
  await ada.isConnected();
  const ben = await Device.open(browser, 1);
  await ben.signUp(newAccount('Ben'), '/settings/security');
  await link(ben.page).click();
  await signInThere(ben.page, email);
  await expect(ben.page.getByRole('alert')).toHaveText(/belongs to somebody else/);
  await expect(link(ben.page)).toBeVisible();
});

test('the last way in stays until there is a password', async ({ browser }) => {
  const { email, password } = newAccount('Ada');
  const ada = await Device.open(browser, 0);
  await signInByProvider(ada, email, '/settings/security');
  await unlink(ada.page).click();
  await expect(ada.page.getByRole('alert')).toHaveText(/Set a password first/);
  await ada.page.getByLabel('New password').fill(password);
  await ada.page.getByRole('button', { name: 'Set password' }).click();
  await expect(ada.page.getByText('Your password is set.')).toBeVisible();
  await unlink(ada.page).click();
  await expect(link(ada.page)).toBeVisible();
});

test('who has no password shows at the provider that it is them', async ({ browser }) => {
  const { email } = newAccount('Ada');
  const ada = await Device.open(browser, 0);
  await signInByProvider(ada, email, '/settings/account');
  // As if the sign-in were ten minutes ago, when it no longer proves who sits there.
  const type = 'application/problem+json';
  const refusal = { type: 'about:blank', title: 'Forbidden', status: 403, code: 'proof_needed' };
  await ada.page.route(
    '**/api/account/export',
    (route) => route.fulfill({ status: 403, contentType: type, json: refusal }),
    { times: 1 },
  );
  await ada.page.getByRole('button', { name: 'Save as a file' }).click();
  await expect(ada.page.getByRole('dialog', { name: 'Is it you?' })).toBeVisible();
  await ada.page.getByRole('button', { name: BY_PROVIDER }).click();
  await saysWhoThere(ada.page, email);
  await expect(ada.page.getByText(/Now do what you were about to do/)).toBeVisible();
  const download = ada.page.waitForEvent('download');
  await ada.page.getByRole('button', { name: 'Save as a file' }).click();
  await download;
});
