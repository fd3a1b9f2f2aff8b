import { Device, newAccount, newHandle } from './people';
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

test('nothing is cut off at the edge of a small phone, in the longer language', async ({
  browser,
}) => {
  const [adasAccount, bensAccount] = [newAccount('Ada'), newAccount('Ben')];
  const ben = await Device.open(browser, 1);
  await ben.signUp(bensAccount);
  // WCAG 2.2, 1.4.10: everything at a width of 320 without scrolling sideways.
  const ada = await Device.open(browser, 0, { viewport: { width: 320, height: 640 } });
  const { page } = ada;
  await ada.signUp(adasAccount, '/settings/appearance');
  await page.getByText('Deutsch', { exact: true }).click();
  await expect(page.getByRole('heading', { name: 'Aussehen und Sprache' })).toBeVisible();
  const places = ['contacts', 'groups', 'reports', 'settings'];
  const sections = ['profile', 'appearance', 'privacy', 'security', 'devices', 'account'];
  for (const place of [...places, ...sections.map((section) => `settings/${section}`)]) {
    await page.goto(`/${place}`);
    await expect(page.locator('.animate-pulse')).toHaveCount(0);
    expect(await page.evaluate(cutOff), place).toEqual([]);
  }
  const name = newHandle('a-group-with-a-long-name');
  await page.goto('/');
  await page.getByRole('button', { name: 'Neue Unterhaltung' }).click();
  expect(await page.evaluate(cutOff), 'new conversation').toEqual([]);
  await page.getByRole('tab', { name: 'Neue Gruppe' }).click();
  await page.getByLabel('Gruppenname').fill(name);
  await page.getByRole('button', { name: 'Gruppe anlegen' }).click();
  await expect(page.getByRole('heading', { name })).toBeVisible();
  expect(await page.evaluate(cutOff), 'conversation').toEqual([]);
  await page.getByRole('main').getByRole('button', { name }).click();
  await page.getByRole('button', { name: 'Neuer Einladungslink' }).click();
  await expect(page.getByTestId('invitation-link')).toBeVisible();
  expect(await page.evaluate(cutOff), 'details').toEqual([]);
});

/** Runs in the page: what reaches over the edge of the screen, or of the dialog that is open. */
function cutOff(): string[] {
  const dialog = document.querySelector('dialog[open]');
  const edge = (dialog ?? document.documentElement).getBoundingClientRect();
  return [...(dialog ?? document.body).querySelectorAll('*')]
    .filter((element) => element.checkVisibility() && !element.closest('.sr-only'))
    .filter((element) => {
      const { left, right, width } = element.getBoundingClientRect();
      return width > 1 && (right > edge.right + 1 || left < edge.left - 1);
    })
    .map((element) => element.outerHTML.slice(0, 150));
}

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
