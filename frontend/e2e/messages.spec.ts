import type { Locator, Page } from '@playwright/test';
import { twoTalking } from './people';
import { expect, test } from './test';

const message = (page: Page, text: string): Locator =>
  page.getByRole('article').filter({ has: page.getByTestId('text').filter({ hasText: text }) });

async function choose(page: Page, text: string, item: string): Promise<void> {
  await message(page, text).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('menuitem', { name: item, exact: true }).click();
}

test('an own message shows that it was delivered, then that it was read, and when', async ({
  browser,
}) => {
  const { ada, ben } = await twoTalking(browser);
  await ben.page.getByRole('link', { name: 'Settings', exact: true }).click();
  await ada.write('Did you get this?');
  await expect(message(ada.page, 'Did you get this?')).toHaveAttribute('data-state', 'delivered');
  await ben.page.goBack();
  await ben.page.bringToFront();
  await ben.page.getByRole('link', { name: /Ada/ }).click();
  await expect(message(ada.page, 'Did you get this?')).toHaveAttribute('data-state', 'read');
  await choose(ada.page, 'Did you get this?', 'Message info');
  await expect(ada.page.getByRole('dialog').getByText('Read by 1 person')).toBeVisible();
  await expect(ada.page.getByRole('dialog').getByText('Ben')).toBeVisible();
});

test('an answer quotes, an edit and a reaction reach the other device, a network cut in between', async ({
  browser,
}) => {
  const { ada, ben } = await twoTalking(browser);
  await ada.write('The kettle is on');
  await ben.page.getByRole('link', { name: /Ada/ }).click();
  await choose(ben.page, 'The kettle is on', 'Answer');
  await ben.write('Coming');
  await expect(message(ada.page, 'Coming').getByText('The kettle is on')).toBeVisible();

  // Written without a network: shown at once, stored when it is back.
  await ada.cutSockets();
  await choose(ada.page, 'The kettle is on', 'Edit');
  await ada.page.getByRole('textbox', { name: /^Message to/ }).fill('The kettle has boiled');
  await ada.page.keyboard.press('Enter');
  await expect(message(ada.page, 'The kettle has boiled')).toContainText('edited');
  await message(ada.page, 'Coming').first().focus();
  await ada.page.keyboard.press('Enter');
  await ada.page.getByRole('button', { name: 'React with 👍' }).click();
  await expect(ada.page.getByRole('button', { name: /^👍 You/ })).toBeVisible();
  await expect(ben.page.getByText('The kettle has boiled')).toHaveCount(0);
  await ada.page.reload();
  await expect(message(ada.page, 'The kettle has boiled')).toBeVisible();
  ada.mendSockets();
  await ada.isConnected();
  await expect(message(ben.page, 'The kettle has boiled').first()).toBeVisible();
  await expect(ben.page.getByRole('button', { name: /^👍 Ada/ })).toBeVisible();
  await ben.page.getByRole('button', { name: /^👍 Ada/ }).click();
  await expect(ada.page.getByRole('button', { name: /^👍 Ben, You|^👍 You, Ben/ })).toBeVisible();
});

test('a message is deleted for everybody, or for oneself on all devices', async ({ browser }) => {
  const { ada, ben, second } = await twoTalking(browser, { secondDeviceOfAda: true });
  await ada.write('one', 'two', 'three');
  await ada.shows(['one', 'two', 'three']);
  await ben.page.getByRole('link', { name: /Ada/ }).click();
  await second?.page.getByRole('link', { name: /Ben/ }).click();
  await choose(ada.page, 'two', 'Delete');
  await ada.page.getByRole('button', { name: 'Delete for everybody' }).click();
  for (const device of [ada, ben]) {
    await expect(device.page.getByTestId('text')).toHaveText([
      'one',
      'This message was deleted',
      'three',
    ]);
  }
  await choose(ada.page, 'three', 'Delete');
  await ada.page.getByRole('button', { name: 'Delete for me' }).click();
  for (const device of second ? [ada, second] : [ada]) {
    await expect(device.page.getByTestId('text')).toHaveText(['one', 'This message was deleted']);
  }
  await expect(ben.page.getByTestId('text').last()).toHaveText('three');
});

test('a conversation is marked as unread on all devices until it is opened', async ({
  browser,
}) => {
  const { ada, second } = await twoTalking(browser, { secondDeviceOfAda: true });
  await ada.write('hello');
  await ada.shows(['hello']);
  await ada.page.goto('/');
  const line = ada.page.getByRole('listitem').filter({ hasText: 'Ben' });
  await line.hover();
  await line.getByRole('button', { name: 'What to do with this conversation' }).click();
  await ada.page.getByRole('menuitem', { name: 'Mark as unread' }).click();
  for (const device of second ? [ada, second] : [ada]) {
    await expect(device.page.getByText('Marked as unread')).toBeAttached();
  }
  await second?.page.getByRole('link', { name: /Ben/ }).click();
  await expect(ada.page.getByText('Marked as unread')).toHaveCount(0);
});

test('who types and who is online shows, and ends', async ({ browser }) => {
  const { ada, ben } = await twoTalking(browser);
  await expect(ada.page.getByText('online', { exact: true })).toBeVisible();
  await ada.write('hello');
  await ben.page.getByRole('link', { name: /Ada/ }).click();
  await ben.page.getByRole('textbox', { name: /^Message to/ }).pressSequentially('I am wri');
  await expect(ada.page.getByTestId('typing')).toHaveText('is typing…');
  await ben.page.getByRole('textbox', { name: /^Message to/ }).press('Enter');
  await expect(ada.page.getByTestId('typing')).toHaveCount(0);
  await ben.context.close();
  await expect(ada.page.getByText(/^last seen/)).toBeVisible();
});
