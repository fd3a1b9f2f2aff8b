import type { Page } from '@playwright/test';
import { Device, newAccount } from './people';
import { expect, test } from './test';

test('people find, invite and accept each other, and a block ends it', async ({ browser }) => {
  const [adasAccount, bensAccount] = [newAccount('Ada'), newAccount('Ben')];
  const ada = await Device.open(browser, 0);
  const ben = await Device.open(browser, 1);
  await ben.signUp(bensAccount);
  await ben.isConnected();
  await ada.signUp(adasAccount, '/contacts');
  await ada.page.getByRole('searchbox').fill(bensAccount.handle);
  await ada.page.getByRole('button', { name: 'Add as contact' }).click();
  await expect(ada.page.getByText('Invited', { exact: true })).toBeVisible();
  await ben.page.getByRole('link', { name: 'Contacts', exact: true }).click();
  await ben.page.getByRole('button', { name: 'Accept' }).click();
  await expect(ben.page.getByRole('button', { name: 'Write to Ada' })).toBeVisible();
  await ben.page.getByRole('button', { name: 'More for Ada' }).click();
  await ben.page.getByRole('menuitem', { name: 'Block' }).click();
  await ben.page.getByRole('button', { name: 'Block', exact: true }).click();
  await expect(ben.page.getByRole('button', { name: 'Write to Ada' })).toHaveCount(0);
  await ben.page.goto('/settings/privacy');
  await expect(ben.page.getByRole('button', { name: 'Unblock' })).toBeVisible();
});

test('a profile changes for everybody, and a device is signed out from another', async ({
  browser,
}) => {
  const account = newAccount('Ada');
  const laptop = await Device.open(browser, 0);
  await laptop.signUp(account, '/settings/profile');
  await expect(laptop.page.getByRole('heading', { name: 'Profile' })).toBeVisible();
  await laptop.page.getByLabel('Name', { exact: true }).fill('Ada L.');
  await laptop.page.getByLabel('Status').fill('On a train');
  await laptop.page.getByRole('button', { name: 'Save' }).click();
  await expect(laptop.page.getByText('Saved.')).toBeVisible();
  const phone = await Device.open(browser, 1);
  await phone.signIn(account, '/settings/profile');
  await expect(phone.page.getByLabel('Name', { exact: true })).toHaveValue('Ada L.');
  await laptop.page.getByRole('link', { name: 'Devices' }).click();
  await laptop.page.getByRole('listitem').getByRole('button', { name: 'Sign out' }).click();
  await expect(phone.page.getByRole('button', { name: 'Sign in', exact: true })).toBeVisible();
});

test('a new password is good at once, the old one no longer', async ({ browser }) => {
  const account = newAccount('Ada');
  const device = await Device.open(browser, 0);
  await device.signUp(account, '/settings/security');
  await expect(device.page.getByLabel('Current password')).toBeVisible();
  await device.page.getByLabel('Current password').fill(account.password);
  await device.page.getByLabel('New password').fill('another battery staple 7');
  await device.page.getByRole('button', { name: 'Change password' }).click();
  await expect(device.page.getByText(/Your password is changed/)).toBeVisible();
  const second = await Device.open(browser, 1);
  await second.signIn(account);
  await expect(second.page.getByRole('alert')).toBeVisible();
  await second.signIn({ ...account, password: 'another battery staple 7' });
  await second.isConnected();
});

test('who may write, see one online and find one is a setting, and holds', async ({ browser }) => {
  const [adasAccount, bensAccount] = [newAccount('Ada'), newAccount('Ben')];
  const ada = await Device.open(browser, 0);
  await ada.signUp(adasAccount, '/settings/privacy');
  const { page } = ada;
  const saved = () =>
    page.waitForResponse(
      (answer) => answer.request().method() === 'PATCH' && answer.url().endsWith('/privacy'),
    );
  const mayWrite = page.getByRole('group', { name: 'Who may start to write to you' });
  const byHandle = page.getByRole('switch', { name: 'By exactly your handle' });
  await expect(byHandle).toBeChecked();
  // What is read again after the first choice doesn't know of the second, and comes before its answer.
  let [choose, readAgain] = [() => {}, () => {}];
  const isChosen = new Promise<void>((resolve) => {
    choose = resolve;
  });
  const isReadAgain = new Promise<void>((resolve) => {
    readAgain = resolve;
  });
  let patches = 0;
  await page.route('**/api/account/privacy', async (route) => {
    if (route.request().method() === 'PATCH') {
      patches += 1;
      if (patches > 1) await isReadAgain;
      return route.continue();
    }
    const response = await route.fetch();
    await isChosen;
    await route.fulfill({ response });
    readAgain();
  });
  const states = await byHandle.evaluateHandle((element) => {
    const seen: (string | null)[] = [];
    new MutationObserver(() => seen.push(element.getAttribute('aria-checked'))).observe(element, {
      attributeFilter: ['aria-checked'],
    });
    return seen;
  });
  let answered = saved();
  await mayWrite.getByLabel('Contacts').check({ force: true });
  expect((await answered).ok()).toBe(true);
  answered = saved();
  await byHandle.uncheck({ force: true });
  choose();
  expect((await answered).ok()).toBe(true);
  expect(await states.jsonValue()).toEqual(['false']);
  await page.unrouteAll({ behavior: 'wait' });
  await page.reload();
  await expect(mayWrite.getByLabel('Contacts')).toBeChecked();
  await expect(byHandle).not.toBeChecked();

  const ben = await Device.open(browser, 1);
  await ben.signUp(bensAccount, `/chat/user?handle=${adasAccount.handle}`);
  await expect(ben.page.getByRole('alert')).toBeVisible();
});

test('a picture from a file is cut to a square, and others see it', async ({ browser }) => {
  const [adasAccount, bensAccount] = [newAccount('Ada'), newAccount('Ben')];
  const ada = await Device.open(browser, 0);
  const ben = await Device.open(browser, 1);
  await ben.signUp(bensAccount);
  await ben.isConnected();
  await ada.signUp(adasAccount, '/settings/profile');
  const { page } = ada;
  await expect(page.getByRole('heading', { name: 'Profile' })).toBeVisible();
  const choose = (name: string, mimeType: string, buffer: Buffer) =>
    page.getByTestId('picture-file').setInputFiles({ name, mimeType, buffer });
  await choose('notes.png', 'image/png', Buffer.from('no picture'));
  await expect(page.getByText('That file is no picture that can be shown here')).toBeVisible();
  await choose('wide.png', 'image/png', await widePicture(page));
  await expect(page.getByRole('radio', { name: 'Your own picture' })).toBeChecked();
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('Saved.')).toBeVisible();

  const asked: string[] = [];
  ben.page.on('request', (request) => {
    if (request.url().includes('/api/files/people/')) asked.push(request.url());
  });
  await ben.page.goto(`/chat/user?handle=${adasAccount.handle}`);
  await ben.write('hello');
  const line = ben.page.getByRole('listitem').filter({ hasText: 'Ada' });
  const shown = line.locator('img');
  await expect(shown).toBeVisible();
  const sizes = (image: HTMLImageElement) => [image.naturalWidth, image.naturalHeight];
  await expect.poll(() => shown.evaluate(sizes)).toEqual([256, 256]);
  // Also above the messages: it was asked for once, and a reload takes the one that was kept.
  await expect(ben.page.getByRole('main').locator('img').first()).toBeVisible();
  expect(asked).toHaveLength(1);
  await ben.page.reload();
  await expect(shown).toBeVisible();
  expect(asked).toHaveLength(1);
});

/** A PNG of 300 by 200, drawn by the browser. */
async function widePicture(page: Page): Promise<Buffer> {
  const base64 = await page.evaluate(() => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 300, height: 200 });
    const context = canvas.getContext('2d');
    if (!context) throw new Error('no canvas');
    context.fillStyle = 'teal';
    context.fillRect(0, 0, 300, 200);
    context.fillStyle = 'gold';
    context.fillRect(100, 50, 100, 100);
    return canvas.toDataURL('image/png').split(',')[1] ?? '';
  });
  return Buffer.from(base64, 'base64');
}
