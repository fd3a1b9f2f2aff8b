import { expect, test } from '@playwright/test';
import { Device, newAccount, newHandle } from './people';

test.afterEach(async ({ browser }) => {
  for (const context of browser.contexts()) await context.close();
});

async function createGroup(
  device: Device,
  name: string,
  kind: 'Public' | 'Private',
): Promise<void> {
  const { page } = device;
  await page.getByRole('link', { name: 'Groups', exact: true }).click();
  await page.getByRole('button', { name: 'New group' }).click();
  await page.getByLabel('Group name').fill(name);
  await page.getByText(kind, { exact: true }).click();
  await page.getByRole('button', { name: 'Create group' }).click();
  await expect(page.getByRole('heading', { name })).toBeVisible();
}

test('a private group is joined by an invitation link; roles and the name change for everybody', async ({
  browser,
}) => {
  const [name, later] = [newHandle('attic'), newHandle('cellar')];
  const ada = await Device.open(browser, 0);
  const ben = await Device.open(browser, 1);
  await ada.signUp(newAccount('Ada'));
  await createGroup(ada, name, 'Private');
  await ada.page.getByRole('button', { name }).click();
  await ada.page.getByRole('button', { name: 'New invitation link' }).click();
  const link = await ada.page.getByTestId('invitation-link').textContent();

  await ben.signUp(newAccount('Ben'), new URL(link ?? '').pathname + new URL(link ?? '').hash);
  await expect(ben.page.getByRole('heading', { name })).toBeVisible();
  expect(ben.page.url()).not.toContain('#');
  await ben.page.getByRole('button', { name: 'Join group' }).click();
  await ben.write('made it');

  const details = ada.page.getByRole('dialog');
  await expect(details.getByText('Ben', { exact: true })).toBeVisible();
  await details.getByRole('button', { name: 'More for Ben' }).click();
  await ada.page.getByRole('menuitem', { name: 'Make admin' }).click();
  await expect(details.getByText('admin', { exact: true })).toBeVisible();
  await details.getByRole('button', { name: 'Edit', exact: true }).click();
  await details.getByLabel('Group name').fill(later);
  await details.getByRole('button', { name: 'Save' }).click();
  await expect(ben.page.getByRole('heading', { name: later })).toBeVisible();
  await expect(ben.page.getByRole('main')).toContainText(`renamed the group to “${later}”`);
});

test('a public group is found and joined; what one mutes, pins and archives holds on all devices', async ({
  browser,
}) => {
  const name = newHandle('garden');
  const bensAccount = newAccount('Ben');
  const ada = await Device.open(browser, 0);
  const ben = await Device.open(browser, 1);
  await ada.signUp(newAccount('Ada'));
  await createGroup(ada, name, 'Public');
  await ben.signUp(bensAccount);
  await ben.page.getByRole('link', { name: 'Groups', exact: true }).click();
  await ben.page.getByRole('searchbox').fill(name);
  await ben.page.getByRole('listitem').filter({ hasText: name }).getByRole('button').click();
  await expect(ben.page.getByRole('heading', { name })).toBeVisible();
  const phone = await Device.open(browser, 0);
  await phone.signIn(bensAccount);
  await phone.isConnected();
  const line = ben.page.getByRole('listitem').filter({ hasText: name });
  for (const choice of ['Pin', 'Archive']) {
    await line.hover();
    await line.getByRole('button', { name: 'What to do with this conversation' }).click();
    await ben.page.getByRole('menuitem', { name: choice, exact: true }).click();
  }
  for (const device of [ben, phone]) {
    await expect(device.page.getByRole('link', { name: new RegExp(name) })).toHaveCount(0);
    await device.page.getByText('Archive', { exact: true }).click();
    await expect(device.page.getByRole('link', { name: new RegExp(name) })).toBeVisible();
  }
});
