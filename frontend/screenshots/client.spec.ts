import { type Browser, expect, test } from '@playwright/test';

/** Of `cargo xtask up --demo`. */
const ADA = { email: 'ada@example.org', password: 'violet-harbour-42' };
const VIEWPORTS = {
  desktop: { width: 1200, height: 760 },
  phone: { width: 390, height: 760 },
};

async function picture(
  browser: Browser,
  colorScheme: 'light' | 'dark',
  kind: keyof typeof VIEWPORTS,
): Promise<void> {
  const context = await browser.newContext({
    viewport: VIEWPORTS[kind],
    colorScheme,
    locale: 'en-GB',
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  await page.goto('/');
  await page.getByLabel('E-mail').fill(ADA.email);
  await page.getByLabel('Password').fill(ADA.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('link', { name: /engine-room/ }).click();
  await expect(page.getByText('On it.').last()).toBeVisible();
  await expect(page.locator('[data-connection="connected"]')).toHaveCount(1);
  await expect(page.getByText(/^Somebody/)).toHaveCount(0);
  // Nothing that blinks.
  await page.locator('body').click({ position: { x: 1, y: 1 } });
  await page.screenshot({
    path: `../docs/images/client-${colorScheme}-${kind}.png`,
    animations: 'disabled',
    caret: 'hide',
  });
  await context.close();
}

for (const colorScheme of ['light', 'dark'] as const) {
  for (const kind of ['desktop', 'phone'] as const) {
    test(`${colorScheme}, ${kind}`, ({ browser }) => picture(browser, colorScheme, kind));
  }
}
