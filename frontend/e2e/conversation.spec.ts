import { Device, newAccount, newHandle, twoTalking } from './people';
import { expect, test } from './test';

test('two people on two gateways talk; a reload in the middle loses and doubles nothing', async ({
  browser,
}) => {
  const [adasAccount, bensAccount] = [newAccount('Ada'), newAccount('Ben')];
  const ada = await Device.open(browser, 0);
  const ben = await Device.open(browser, 1);
  await ben.signUp(bensAccount);
  await ben.isConnected();
  await ada.signUp(adasAccount, `/chat/user?handle=${bensAccount.handle}`);
  await expect(ada.page.getByRole('heading', { name: 'Ben' })).toBeVisible();
  await ada.isConnected();

  const said: string[] = [];
  const says = async (device: Device, ...texts: string[]) => {
    said.push(...texts);
    await device.write(...texts);
  };
  await says(ada, 'Hello Ben', 'are you there?');
  await ada.shows(said);
  const line = ben.page.getByRole('navigation').getByRole('link', { name: /Ada/ });
  await expect(line).toContainText('2 unread');
  await line.click();
  await ben.shows(said);
  await expect(line).not.toContainText('unread');
  await says(ben, 'I am.\nOn two lines.');
  await ada.shows(said);

  // Ada's socket is cut, and she goes on writing.
  await ada.cutSockets();
  await says(ada, 'one into the outbox', 'two into the outbox');
  await expect(ada.page.getByRole('status')).toContainText('2 messages in the outbox');
  await expect(ada.page.locator('article[data-state="waiting"]')).toHaveCount(2);
  await ada.page.reload();
  await expect(ada.page.locator('article[data-state="waiting"]')).toHaveCount(2);
  await expect(ada.page.getByTestId('text')).toHaveText(said);
  ada.mendSockets();
  await ada.isConnected();
  await ada.shows(said);
  await ben.shows(said);

  // Ben loses the network altogether, and both write.
  await ben.context.setOffline(true);
  await expect(ben.page.getByRole('status')).toContainText('Waiting for the network');
  await says(ada, 'Ben is away now', 'he will see this later');
  await ada.shows(said);
  await ben.write('from the tunnel');
  await expect(ben.page.getByRole('status')).toContainText('1 message in the outbox');
  await ben.context.setOffline(false);
  said.push('from the tunnel');
  await ben.isConnected();
  await ben.shows(said);
  await ada.shows(said);

  // A device that starts from nothing shows the same.
  const fresh = await Device.open(browser, 1);
  await fresh.signIn(adasAccount);
  await fresh.page.getByRole('link', { name: /Ben/ }).click();
  await fresh.shows(said);
});

test('a link to a group joins it, and everybody sees who came', async ({ browser }) => {
  const name = newHandle('garden');
  const ada = await Device.open(browser, 0);
  const ben = await Device.open(browser, 1);
  await ada.signUp(newAccount('Ada'));
  await ada.page.getByRole('button', { name: 'New conversation' }).click();
  await ada.page.getByRole('tab', { name: 'New group' }).click();
  await ada.page.getByLabel('Group name').fill(name);
  await ada.page.getByRole('button', { name: 'Create group' }).click();
  await expect(ada.page.getByRole('heading', { name })).toBeVisible();
  await ben.signUp(newAccount('Ben'), `/group/${name}/connect`);
  await expect(ben.page.getByRole('heading', { name })).toBeVisible();
  await expect(ada.page.getByRole('main').getByText('Ben joined')).toBeVisible();
  await expect(ada.page.getByText('2 members')).toBeVisible();
  await ben.write('I brought seeds');
  await ada.shows(['I brought seeds']);
  await expect(ada.page.getByRole('article')).toContainText('Ben');

  await ben.page.getByRole('button', { name }).click();
  await ben.page.getByRole('button', { name: 'Leave this group' }).click();
  await expect(ben.page.getByRole('link', { name })).toHaveCount(0);
  await expect(ada.page.getByRole('main').getByText('Ben left')).toBeVisible();
});

test('what is read on one device is read on the other', async ({ browser }) => {
  const [adasAccount, bensAccount] = [newAccount('Ada'), newAccount('Ben')];
  const phone = await Device.open(browser, 0);
  const laptop = await Device.open(browser, 1);
  const ada = await Device.open(browser, 1);
  await phone.signUp(bensAccount);
  await laptop.signIn(bensAccount);
  await ada.signUp(adasAccount, `/chat/user?handle=${bensAccount.handle}`);
  await ada.write('one', 'two', 'three');
  for (const device of [phone, laptop]) {
    await expect(device.page.getByRole('link', { name: /Ada/ })).toContainText('3 unread');
  }
  await phone.page.bringToFront();
  await phone.page.getByRole('link', { name: /Ada/ }).click();
  await phone.shows(['one', 'two', 'three']);
  for (const device of [phone, laptop]) {
    await expect(device.page.getByRole('link', { name: /Ada/ })).not.toContainText('unread');
  }
});

test('a file goes with a message, to members only by way of the service', async ({ browser }) => {
  const [adasAccount, bensAccount] = [newAccount('Ada'), newAccount('Ben')];
  const ada = await Device.open(browser, 0);
  const ben = await Device.open(browser, 1);
  await ben.signUp(bensAccount);
  await ben.isConnected();
  await ada.signUp(adasAccount, `/chat/user?handle=${bensAccount.handle}`);
  await expect(ada.page.getByRole('heading', { name: 'Ben' })).toBeVisible();
  await ada.page.locator('input[type="file"]').setInputFiles({
    name: 'plan.txt',
    mimeType: 'text/plain',
    buffer: Buffer.from('the plan'),
  });
  await expect(ada.page.getByRole('button', { name: 'Send' })).toBeEnabled();
  await ada.write('here is the plan');
  await ben.page.getByRole('link', { name: /Ada/ }).click();
  const link = ben.page.getByRole('link', { name: /plan\.txt/ });
  await expect(link).toBeVisible();
  const answer = await ben.context.request.get((await link.getAttribute('href')) ?? '');
  expect(await answer.text()).toBe('the plan');
});

test('signing out forgets what was kept on the device', async ({ browser }) => {
  const account = newAccount('Ada');
  const ada = await Device.open(browser);
  await ada.signUp(account);
  await ada.isConnected();
  await ada.page.getByRole('link', { name: /account and settings/ }).click();
  await ada.page.getByRole('link', { name: 'Devices' }).click();
  await ada.page.getByRole('button', { name: 'Sign out' }).click();
  await expect(ada.page.getByRole('button', { name: 'Sign in' })).toBeVisible();
  await expect
    .poll(() => ada.page.evaluate(async () => (await indexedDB.databases()).length))
    .toBe(0);
  await ada.page.reload();
  await expect(ada.page.getByRole('button', { name: 'Sign in' })).toBeVisible();
  await ada.signIn({ ...account, password: 'not the password 42' });
  await expect(ada.page.getByRole('alert')).toBeVisible();
});

test('pictures keep their place while they load, and are gone through by keyboard', async ({
  browser,
}) => {
  const { ada, ben } = await twoTalking(browser);
  for (const [index, colour] of ['#4f5bd5', '#2f9e6e', '#d5734f'].entries()) {
    const buffer = await ada.page.evaluate(drawPicture, colour);
    await ada.page.locator('input[type="file"]').setInputFiles({
      name: `picture-${index + 1}.png`,
      mimeType: 'image/png',
      buffer: Buffer.from(buffer, 'base64'),
    });
    // What is about to be sent is seen before.
    await expect(
      ada.page.getByRole('list', { name: 'Files to send' }).locator('img'),
    ).toBeVisible();
    await expect(ada.page.getByRole('button', { name: 'Send' })).toBeEnabled();
    await ada.write(`this is ${index + 1}`);
    await expect(ada.page.getByTestId('text')).toHaveCount(index + 1);
  }
  // The bytes come late: the place is there before.
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await ben.context.route(
    (url) => url.pathname.includes('picture-') || url.search.includes('X-Amz-'),
    async (route) => {
      await held;
      await route.continue();
    },
  );
  await ben.page.getByRole('link', { name: /Ada/ }).click();
  const pictures = ben.page.getByRole('button', { name: /^Open picture-/ });
  await expect(pictures).toHaveCount(3);
  const boxes = () => pictures.evaluateAll((all) => all.map((one) => one.getBoundingClientRect()));
  const isLoaded = (image: HTMLImageElement) => image.complete && image.naturalWidth > 0;
  await expect(pictures.locator('img')).toHaveCount(3);
  expect(await pictures.locator('img').last().evaluate(isLoaded)).toBe(false);
  const before = await boxes();
  release();
  await expect.poll(() => pictures.locator('img').last().evaluate(isLoaded)).toBe(true);
  expect(await boxes()).toEqual(before);

  const { keyboard } = ben.page;
  const second = pictures.nth(1);
  await second.focus();
  await keyboard.press('Enter');
  const shown = ben.page.getByRole('dialog', { name: 'Pictures' });
  await expect(shown.getByRole('img')).toHaveAttribute('alt', 'picture-2.png');
  await expect(shown).toContainText('2 of 3');
  await keyboard.press('ArrowRight');
  await expect(shown.getByRole('img')).toHaveAttribute('alt', 'picture-3.png');
  await keyboard.press('ArrowRight');
  await expect(shown).toContainText('3 of 3');
  await keyboard.press('ArrowLeft');
  await keyboard.press('ArrowLeft');
  await expect(shown.getByRole('img')).toHaveAttribute('alt', 'picture-1.png');
  await expect(shown.getByRole('button', { name: 'Previous picture' })).toBeDisabled();
  await shown.getByRole('button', { name: 'Next picture' }).click();
  await expect(shown).toContainText('2 of 3');
  await keyboard.press('Escape');
  await expect(shown).toHaveCount(0);
  await expect(second).toBeFocused();
});

/** Runs in the page: a PNG of one colour, as base64. */
async function drawPicture(colour: string): Promise<string> {
  const canvas = Object.assign(document.createElement('canvas'), { width: 900, height: 1_200 });
  const context = canvas.getContext('2d');
  if (context) {
    context.fillStyle = colour;
    context.fillRect(0, 0, canvas.width, canvas.height);
  }
  return canvas.toDataURL('image/png').split(',')[1] ?? '';
}
