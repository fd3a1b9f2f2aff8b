import { Device, newAccount } from './people';
import { expect, hasNoBarriers, test } from './test';

const SETTINGS = [
  'Profile',
  'Appearance and language',
  'Privacy',
  'Sign-in and security',
  'Devices',
  'Your data',
];

test('no place has barriers that a program can find', async ({ browser }) => {
  const [adasAccount, bensAccount] = [newAccount('Ada'), newAccount('Ben')];
  const ben = await Device.open(browser, 1);
  await ben.signUp(bensAccount);
  const ada = await Device.open(browser);
  await ada.page.goto('/');
  await expect(ada.page.getByRole('button', { name: 'Sign in' })).toBeVisible();
  await hasNoBarriers(ada.page);
  await ada.signUp(adasAccount, `/chat/user?handle=${bensAccount.handle}`);
  await ada.write('Hello', 'see https://example.org');
  await ada.shows(['Hello', 'see https://example.org']);
  await hasNoBarriers(ada.page);
  await ada.page.getByRole('button', { name: 'New conversation' }).click();
  await expect(ada.page.getByRole('dialog')).toBeVisible();
  await hasNoBarriers(ada.page);
  await ada.page.keyboard.press('Escape');
  for (const name of ['Groups', 'Reports', 'Contacts']) {
    await ada.page.getByRole('link', { name, exact: true }).click();
    await expect(ada.page.getByRole('heading', { name, exact: true })).toBeVisible();
    await hasNoBarriers(ada.page);
  }
  await ada.page.getByRole('link', { name: 'Settings', exact: true }).click();
  for (const name of SETTINGS) {
    await ada.page.getByRole('link', { name, exact: true }).click();
    await expect(ada.page.getByRole('heading', { name, level: 1 })).toBeVisible();
    await hasNoBarriers(ada.page);
  }
});

test('works under a strict content security policy', async ({ browser }) => {
  const [adasAccount, bensAccount] = [newAccount('Ada'), newAccount('Ben')];
  const ben = await Device.open(browser, 1);
  await ben.signUp(bensAccount);
  const ada = await Device.open(browser);
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self' ws:",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  await ada.context.route('**/*', async (route) => {
    if (route.request().resourceType() !== 'document') return route.fallback();
    const response = await route.fetch();
    const headers = { ...response.headers(), 'content-security-policy': policy };
    return route.fulfill({ response, headers });
  });
  const broken: string[] = [];
  ada.page.on('console', (message) => {
    if (/content security policy/i.test(message.text())) broken.push(message.text());
  });
  await ada.signUp(adasAccount, `/chat/user?handle=${bensAccount.handle}`);
  await ada.write('Hello');
  await ada.shows(['Hello']);
  await ada.page.getByRole('button', { name: 'New conversation' }).click();
  await expect(ada.page.getByLabel('Handle')).toBeVisible();
  expect(broken).toEqual([]);
});
