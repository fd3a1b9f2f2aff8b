import type { Locator } from '@playwright/test';
import { Device, newAccount, twoTalking } from './people';
import { expect, test } from './test';

test('everything by keyboard: find a conversation, write, react, leave', async ({ browser }) => {
  const { ada } = await twoTalking(browser);
  const { page } = ada;
  await ada.write('first', 'second');
  await ada.shows(['first', 'second']);
  await page.keyboard.press('Control+k');
  await expect(page.getByRole('searchbox', { name: 'Search conversations' })).toBeFocused();
  await page.keyboard.type('Ben');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  const field = page.getByRole('textbox', { name: /^Message to/ });
  await expect(field).toBeFocused();
  await ada.shows(['first', 'second']);
  // From the empty field into the messages, up to the first, and its menu.
  await page.keyboard.press('ArrowUp');
  await expect(page.getByRole('article').last()).toBeFocused();
  await page.keyboard.press('ArrowUp');
  await expect(page.getByRole('article').first()).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('menu')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('menu')).toHaveCount(0);
  await expect(page.getByRole('article').first()).toBeFocused();
  await page.keyboard.press('r');
  await expect(field).toBeFocused();
  await page.keyboard.type('an answer');
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('text').last()).toHaveText('an answer');
  await page.keyboard.press('Control+/');
  await expect(page.getByRole('dialog', { name: 'Keys' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog', { name: 'Keys' })).toHaveCount(0);
});

test('what opens over the page keeps the focus, and gives it back', async ({ browser }) => {
  const { ada } = await twoTalking(browser);
  const { page } = ada;
  await ada.write('to be looked at');
  await ada.shows(['to be looked at']);
  await expect(page.getByRole('article')).toHaveAttribute('data-state', /stored|delivered/);
  const field = page.getByRole('textbox', { name: /^Message to/ });
  const opener = page.getByRole('button', { name: 'New conversation' });
  const info = async () => {
    await page.getByRole('article').press('Enter');
    await page.getByRole('menuitem', { name: 'Message info' }).press('Enter');
  };
  const ways: [string, Locator, () => Promise<void>][] = [
    ['New conversation', opener, () => page.keyboard.press('Enter')],
    ['Keys', field, () => page.keyboard.press('Control+/')],
    [
      'About this chat',
      page.getByRole('main').getByRole('button', { name: /^Ben/ }),
      () => page.keyboard.press('Enter'),
    ],
    ['Message info', page.getByRole('article'), info],
  ];
  for (const [name, from, open] of ways) {
    await from.focus();
    await open();
    const dialog = page.getByRole('dialog', { name });
    await expect(dialog).toBeVisible();
    for (const key of [...Array(12).fill('Tab'), ...Array(14).fill('Shift+Tab')]) {
      await page.keyboard.press(key);
      // Or in the browser's own controls, from where it comes back.
      const place = await page.evaluate(() => {
        const { activeElement, body } = document;
        if (activeElement === body || activeElement === null) return 'the browser';
        return activeElement.closest('dialog') ? 'the dialog' : activeElement.outerHTML;
      });
      expect(['the browser', 'the dialog']).toContain(place);
    }
    await page.keyboard.press('Escape');
    await expect(dialog).toHaveCount(0);
    await expect(from).toBeFocused();
  }
});

test('an emoji is found by its name and goes where one writes', async ({ browser }) => {
  const { ada } = await twoTalking(browser);
  const { page } = ada;
  await page.getByRole('textbox', { name: /^Message to/ }).fill('well done ');
  await page.getByRole('button', { name: 'Insert an emoji' }).click();
  await page.getByRole('searchbox', { name: 'Search emoji' }).fill('party popper');
  await page.getByRole('button', { name: 'party popper' }).click();
  await expect(page.getByRole('textbox', { name: /^Message to/ })).toHaveValue('well done 🎉');
});

test('speaks German where the browser does, and what one chooses', async ({ browser }) => {
  const device = await Device.open(browser, 0, { locale: 'de-DE' });
  const { page } = device;
  await page.goto('/');
  await expect(page.getByRole('heading', { name: 'Bei Parlance anmelden' })).toBeVisible();
  await expect(page.locator('html')).toHaveAttribute('lang', 'de');
  const ada = newAccount('Ada');
  await page.getByRole('button', { name: 'Konto anlegen' }).click();
  await page.getByLabel('Name', { exact: true }).fill(ada.name);
  await page.getByLabel('Benutzername').fill(ada.handle);
  await page.getByLabel('E-Mail').fill(ada.email);
  await page.getByLabel('Passwort').fill(ada.password);
  await page.getByRole('button', { name: 'Konto anlegen' }).click();
  await device.isConnected();
  await page.goto('/settings/appearance');
  await page.getByText('English', { exact: true }).click();
  await expect(page.getByRole('heading', { name: 'Appearance and language' })).toBeVisible();
  await page.reload();
  await expect(page.getByRole('heading', { name: 'Appearance and language' })).toBeVisible();
});

test('is installable, and opens without a network with what was loaded', async ({ browser }) => {
  const { ada } = await twoTalking(browser);
  const { page } = ada;
  await ada.write('kept on the device');
  await ada.shows(['kept on the device']);
  const manifest = await page.request.get('/manifest.webmanifest');
  const { icons, start_url, display } = await manifest.json();
  expect({ start_url, display }).toEqual({ start_url: '/', display: 'standalone' });
  for (const { src } of icons) expect((await page.request.get(src)).ok()).toBe(true);
  await page.evaluate(async () => {
    await navigator.serviceWorker.ready;
  });
  await ada.context.setOffline(true);
  await page.reload();
  await expect(page.getByTestId('text')).toHaveText(['kept on the device']);
  await expect(page.getByRole('status')).toContainText('Waiting for the network');
  await ada.write('written without a network');
  await expect(page.locator('article[data-state="waiting"]')).toHaveCount(1);
  await ada.context.setOffline(false);
  await expect(page.locator('article[data-state="waiting"]')).toHaveCount(0);
});

test('a token in the address signs in and is gone from it at once', async ({
  browser,
  request,
}) => {
  const ben = newAccount('Ben');
  const { name: display_name, ...rest } = ben;
  await request.post('/api/account/register', { data: { ...rest, display_name } });
  const ada = newAccount('Ada');
  const answer = await request.post('/api/account/register', {
    data: { email: ada.email, password: ada.password, handle: ada.handle, display_name: ada.name },
  });
  const { refresh_token } = await answer.json();
  const device = await Device.open(browser);
  const seen: string[] = [];
  device.page.on('request', (sent) => seen.push(sent.url()));
  await device.page.goto(`/chat/user?handle=${ben.handle}#token=${refresh_token}`);
  await expect(device.page.getByRole('heading', { name: 'Ben' })).toBeVisible();
  expect(device.page.url()).not.toContain('token');
  expect(seen.filter((url) => url.includes(refresh_token))).toEqual([]);
  await device.page.goBack().catch(() => undefined);
  expect(device.page.url()).not.toContain(refresh_token);
});
