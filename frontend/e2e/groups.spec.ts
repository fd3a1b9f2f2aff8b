import { Device, newAccount, newHandle } from './people';
import { expect, test } from './test';

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

test('roles decide what a member may do; one that is removed sees no more', async ({ browser }) => {
  const name = newHandle('shed');
  const bensAccount = newAccount('Ben');
  const ada = await Device.open(browser, 0);
  const ben = await Device.open(browser, 1);
  await ben.signUp(bensAccount);
  await ben.isConnected();
  await ada.signUp(newAccount('Ada'));
  await createGroup(ada, name, 'Private');
  await ada.page.getByRole('button', { name }).click();
  const details = ada.page.getByRole('dialog');
  await details.getByLabel('Handle of somebody to add').fill(bensAccount.handle);
  await details.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(details.getByText('Ben', { exact: true })).toBeVisible();

  await ben.page.getByRole('link', { name: new RegExp(name) }).click();
  await ben.page.getByRole('button', { name }).click();
  const his = ben.page.getByRole('dialog');
  await expect(his.getByText('Ada', { exact: true })).toBeVisible();
  await expect(his.getByRole('button', { name: 'Edit', exact: true })).toHaveCount(0);
  await expect(his.getByRole('button', { name: 'More for Ada' })).toHaveCount(0);

  await details.getByRole('button', { name: 'More for Ben' }).click();
  await ada.page.getByRole('menuitem', { name: 'Make admin' }).click();
  await expect(details.getByText('admin', { exact: true })).toBeVisible();
  await expect(his.getByRole('button', { name: 'Edit', exact: true })).toBeVisible();
  await ben.page.keyboard.press('Escape');

  await details.getByRole('button', { name: 'More for Ben' }).click();
  await ada.page.getByRole('menuitem', { name: 'Remove from the group' }).click();
  await expect(details.getByText('Ben', { exact: true })).toHaveCount(0);
  await ada.page.keyboard.press('Escape');
  await ada.write('he is gone');
  await expect(ben.page.getByText('You are not in this conversation any more.')).toBeVisible();
  await expect(ben.page.getByText('he is gone')).toHaveCount(0);
});

test('what the owner opens of the history shows at once; who comes back has the name of today', async ({
  browser,
}) => {
  const [name, later] = [newHandle('loft'), newHandle('tower')];
  const bensAccount = newAccount('Ben');
  const ada = await Device.open(browser, 0);
  const ben = await Device.open(browser, 1);
  await ben.signUp(bensAccount);
  await ben.isConnected();
  await ada.signUp(newAccount('Ada'));
  await createGroup(ada, name, 'Private');
  await ada.write('before he came');
  await ada.page.getByRole('button', { name }).click();
  const details = ada.page.getByRole('dialog');
  const addBen = async () => {
    await details.getByLabel('Handle of somebody to add').fill(bensAccount.handle);
    await details.getByRole('button', { name: 'Add', exact: true }).click();
    await expect(details.getByText('Ben', { exact: true })).toBeVisible();
  };
  const choose = async (what: string) => {
    await details.getByRole('button', { name: 'More for Ben' }).click();
    await ada.page.getByRole('menuitem', { name: what }).click();
  };
  await addBen();
  await ben.page.getByRole('link', { name: new RegExp(name) }).click();
  const said = ben.page.getByText('before he came');
  await expect(ben.page.getByRole('main')).toContainText('added you');
  await expect(said).toHaveCount(0);
  await choose('Open the history');
  await expect(said).toBeVisible();

  await choose('Remove from the group');
  await expect(ben.page.getByText('You are not in this conversation any more.')).toBeVisible();
  await details.getByRole('button', { name: 'Edit', exact: true }).click();
  await details.getByLabel('Group name').fill(later);
  await details.getByRole('button', { name: 'Save' }).click();
  await addBen();
  await expect(ben.page.getByRole('heading', { name: later })).toBeVisible();
  await expect(said).toBeVisible();
});

test('reports show the groups with the most members, people and messages', async ({ browser }) => {
  const name = newHandle('busy');
  const ada = await Device.open(browser, 0);
  await ada.signUp(newAccount('Ada'));
  await createGroup(ada, name, 'Public');
  const texts = Array.from({ length: 12 }, (_, index) => `line ${index}`);
  await ada.write(...texts);
  await expect(ada.page.locator('article[data-state="waiting"]')).toHaveCount(0);
  await ada.page.getByRole('link', { name: 'Reports', exact: true }).click();
  const byMessages = ada.page.locator('section').filter({
    has: ada.page.getByRole('heading', { name: 'Messages', exact: true }),
  });
  const row = byMessages.getByRole('row').filter({ hasText: name });
  // The figures follow the log.
  await expect(async () => {
    await ada.page.reload();
    await expect(row.getByRole('cell')).toHaveText('12', { timeout: 5_000 });
  }).toPass({ timeout: 120_000 });
  await ada.page.getByText('7 days', { exact: true }).click();
  await expect(row.getByRole('cell')).toHaveText('12');
});
