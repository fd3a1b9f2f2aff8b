import { type Browser, expect, type Page, test } from '@playwright/test';

/** Of `cargo xtask up --demo`. */
const ADA = { email: 'ada@example.org', password: 'violet-harbour-42' };
const VIEWPORTS = {
  desktop: { width: 1200, height: 760 },
  phone: { width: 390, height: 760 },
};

type Scheme = 'light' | 'dark';
type Kind = keyof typeof VIEWPORTS;

async function openPage(browser: Browser, colorScheme: Scheme, kind: Kind): Promise<Page> {
  const context = await browser.newContext({
    viewport: VIEWPORTS[kind],
    colorScheme,
    locale: 'en-GB',
    reducedMotion: 'reduce',
    hasTouch: kind === 'phone',
  });
  const page = await context.newPage();
  await page.goto('/');
  await expect(page.getByRole('button', { name: 'Sign in' })).toBeVisible();
  return page;
}

async function signIn(page: Page): Promise<void> {
  await page.getByLabel('E-mail').fill(ADA.email);
  await page.getByLabel('Password').fill(ADA.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('link', { name: /engine-room/ })).toBeVisible();
  await expect(page.locator('[data-connection="connected"]')).toHaveCount(1);
}

async function openChat(page: Page): Promise<void> {
  await page.getByRole('link', { name: /engine-room/ }).click();
  await expect(page.getByText('On it.').last()).toBeVisible();
  await expect(page.getByText('4 members')).toBeVisible();
  // What is read shows no number any more.
  const line = page.locator('[data-conversation]').filter({ hasText: 'engine-room' });
  await expect(line.filter({ hasText: 'unread' })).toHaveCount(0);
  // It opens at its end, once the sizes of its messages are known.
  const belowSight = () =>
    page.getByTestId('timeline').evaluate((it) => it.scrollHeight - it.clientHeight - it.scrollTop);
  await expect.poll(belowSight).toBeLessThan(2);
}

async function takePicture(page: Page, name: string): Promise<void> {
  await expect(page.getByText(/^Somebody/)).toHaveCount(0);
  await expect(page.locator('.animate-pulse')).toHaveCount(0);
  // Nothing that blinks, and nothing under the pointer.
  await page.mouse.move(0, 0);
  const path = `../docs/images/client-${name}.png`;
  await page.screenshot({ path, animations: 'disabled', caret: 'hide' });
}

for (const scheme of ['light', 'dark'] as const) {
  for (const kind of ['desktop', 'phone'] as const) {
    test(`a conversation (${scheme}, ${kind})`, async ({ browser }) => {
      const page = await openPage(browser, scheme, kind);
      await signIn(page);
      await openChat(page);
      await takePicture(page, `${scheme}-${kind}`);
      await page.context().close();
    });
  }
}

/** The other places, each once: in the light on a desk, in the dark on a phone. */
for (const [scheme, kind] of [
  ['light', 'desktop'],
  ['dark', 'phone'],
] as const) {
  test(`the other places (${scheme}, ${kind})`, async ({ browser }) => {
    const page = await openPage(browser, scheme, kind);
    await takePicture(page, `sign-in-${scheme}-${kind}`);
    await signIn(page);
    await takePicture(page, `list-${scheme}-${kind}`);
    await openChat(page);
    await page
      .getByRole('main')
      .getByRole('button', { name: /^engine-room/ })
      .click();
    await expect(page.getByRole('dialog').getByText('@grace')).toBeVisible();
    await takePicture(page, `group-${scheme}-${kind}`);
    await page.goto('/reports');
    await expect(page.getByRole('row').filter({ hasText: 'engine-room' })).toHaveCount(3);
    await takePicture(page, `reports-${scheme}-${kind}`);
    await page.goto('/settings/privacy');
    await expect(page.getByText('Nobody is blocked.')).toBeVisible();
    await takePicture(page, `settings-${scheme}-${kind}`);
    await page.context().close();
  });
}
