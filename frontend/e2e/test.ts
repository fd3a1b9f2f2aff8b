import AxeBuilder from '@axe-core/playwright';
import { test as base, expect, type Page } from '@playwright/test';

export { expect };

/**
 * Playwright's, and at the end of each test the screens that it left are looked at for barriers, in light
 * and dark, and its browsers closed.
 */
export const test = base.extend<{ looksAtScreens: undefined }>({
  looksAtScreens: [
    async ({ browser }, use, info) => {
      await use(undefined);
      // A test that failed has said enough.
      if (info.status === info.expectedStatus) {
        for (const page of browser.contexts().flatMap((context) => context.pages())) {
          if (page.url() !== 'about:blank') await hasNoBarriers(page);
        }
      }
      for (const context of browser.contexts()) await context.close();
    },
    { auto: true },
  ],
});

/** What a program can find of WCAG 2.2 A and AA. */
export async function hasNoBarriers(page: Page): Promise<void> {
  // Without motion, so that no colour is on its way to another one.
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
  expect(await violations(page, (axe) => axe.withTags(tags))).toEqual([]);
  // Only colours differ in the dark.
  await page.emulateMedia({ colorScheme: 'dark' });
  expect(await violations(page, (axe) => axe.withRules('color-contrast'))).toEqual([]);
  await page.emulateMedia({ colorScheme: null });
}

async function violations(page: Page, choose: (axe: AxeBuilder) => AxeBuilder): Promise<string[]> {
  // There are no frames, so nothing needs a page of its own to be put together.
  const found = await choose(new AxeBuilder({ page }).setLegacyMode()).analyze();
  return found.violations.map(
    ({ id, nodes }) =>
      `${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join(' ')}`,
  );
}
