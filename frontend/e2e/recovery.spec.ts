import { Device, mailedLink, newAccount } from './people';
import { expect, test } from './test';

test('a forgotten password is replaced by a mailed link, once', async ({ browser, request }) => {
  const account = newAccount('Ada');
  const before = await Device.open(browser, 1);
  await before.signUp(account);
  await before.isConnected();
  const { page } = await Device.open(browser, 0);
  await page.goto('/');
  await page.getByRole('button', { name: 'Forgotten your password?' }).click();
  await page.getByLabel('E-mail').fill(account.email);
  await page.getByRole('button', { name: 'Send link' }).click();
  await expect(page.getByText(/a mail with a link is on its way/)).toBeVisible();

  const link = await mailedLink(request, account.email, '/recover');
  await page.goto(link);
  await expect(page.getByLabel('New password')).toBeVisible();
  // The secret stays in no history and goes to no server.
  expect(page.url()).not.toContain('#');
  await page.getByLabel('New password').fill('short');
  await page.getByRole('button', { name: 'Set password' }).click();
  await expect(page.getByLabel('New password')).toHaveAttribute('aria-invalid', 'true');
  const password = 'another battery staple 7';
  await page.getByLabel('New password').fill(password);
  await page.getByRole('button', { name: 'Set password' }).click();
  await page.getByRole('link', { name: 'Sign in' }).click();

  // Whoever was signed in by the old one isn't any more.
  await expect(before.page.getByRole('button', { name: 'Sign in', exact: true })).toBeVisible();
  const after = await Device.open(browser, 0);
  await after.signIn({ ...account, password });
  await after.isConnected();
  const again = await Device.open(browser, 0);
  await again.page.goto(link);
  await again.page.getByLabel('New password').fill('yet another staple 8');
  await again.page.getByRole('button', { name: 'Set password' }).click();
  await expect(again.page.getByRole('alert')).toBeVisible();
});

test('an e-mail address is proven by a mailed link', async ({ browser, request }) => {
  const account = newAccount('Ada');
  const ada = await Device.open(browser, 0);
  await ada.signUp(account, '/settings/security');
  await expect(ada.page.getByText(account.email)).toBeVisible();
  await expect(ada.page.getByText('verified', { exact: true })).toHaveCount(0);
  await ada.page.goto(await mailedLink(request, account.email, '/verify-email'));
  await expect(ada.page.getByText('Your e-mail address is verified.')).toBeVisible();
  expect(ada.page.url()).not.toContain('#');
  await ada.page.goto('/settings/security');
  await expect(ada.page.getByText('verified', { exact: true })).toBeVisible();
});
