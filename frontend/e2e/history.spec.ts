import { expect, test } from '@playwright/test';
import { Device, newAccount } from './people';

test.afterEach(async ({ browser }) => {
  for (const context of browser.contexts()) await context.close();
});

test('a long history loads as one scrolls, and what one reads stays in place', async ({
  browser,
}) => {
  const [adasAccount, bensAccount] = [newAccount('Ada'), newAccount('Ben')];
  const ben = await Device.open(browser, 1);
  await ben.signUp(bensAccount);
  const ada = await Device.open(browser, 0);
  await ada.signUp(adasAccount, `/chat/user?handle=${bensAccount.handle}`);
  const texts = Array.from({ length: 100 }, (_, index) => `message ${index + 1}`);
  await ada.write(...texts);
  await expect(ada.page.locator('article[data-state="waiting"]')).toHaveCount(0);
  await expect(ben.page.getByRole('link', { name: /Ada/ })).toContainText('100 unread');

  const { page } = await Device.open(browser, 1).then(async (fresh) => {
    await fresh.signIn(bensAccount);
    return fresh;
  });
  await page.getByRole('link', { name: /Ada/ }).click();
  await expect(page.getByText('message 100', { exact: true }).last()).toBeAttached();
  await expect(page.getByText('New messages')).toBeAttached();
  // To the first one, page by page.
  await expect(async () => {
    await page.getByTestId('text').first().scrollIntoViewIfNeeded();
    await expect(page.getByText('The beginning of this conversation')).toBeVisible({
      timeout: 200,
    });
  }).toPass();
  await expect(page.getByTestId('text')).toHaveText(texts);
  await expect(page.getByRole('link', { name: /Ada/ })).toContainText('100 unread');

  // What is written below moves nothing up here, and is announced by the button to the end.
  const seventh = page.getByText('message 7', { exact: true });
  await seventh.scrollIntoViewIfNeeded();
  const before = await seventh.boundingBox();
  await ada.write('message 101');
  const toEnd = page.getByRole('button', { name: /To the newest message, 101 unread/ });
  await expect(toEnd).toBeVisible();
  expect((await seventh.boundingBox())?.y).toBeCloseTo(before?.y ?? 0, 0);
  await toEnd.click();
  await expect(page.getByRole('link', { name: /Ada/ })).not.toContainText('unread');
});

test('two tabs share one socket, and the second goes on when the first is closed', async ({
  browser,
}) => {
  const [adasAccount, bensAccount] = [newAccount('Ada'), newAccount('Ben')];
  const ben = await Device.open(browser, 1);
  await ben.signUp(bensAccount);
  const ada = await Device.open(browser, 0);
  await ada.signUp(adasAccount, `/chat/user?handle=${bensAccount.handle}`);
  await ada.isConnected();
  const second = await ada.context.newPage();
  await second.goto(ada.page.url());
  const field = second.getByRole('textbox', { name: /^Message to/ });
  await field.fill('from the second tab');
  await field.press('Enter');
  await ada.shows(['from the second tab']);
  expect(ada.openSockets).toBe(1);
  await ada.page.close();
  await ben.page.getByRole('link', { name: /Ada/ }).click();
  await ben.write('are you still there?');
  await expect(second.getByTestId('text')).toHaveText([
    'from the second tab',
    'are you still there?',
  ]);
  await field.fill('yes');
  await field.press('Enter');
  await ben.shows(['from the second tab', 'are you still there?', 'yes']);
});
