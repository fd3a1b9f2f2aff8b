import type { Page } from '@playwright/test';
import { Device, newAccount, twoTalking } from './people';
import { expect, test } from './test';

/** All messages from the end to the beginning, as they pass while one scrolls up. */
async function readUpwards(page: Page): Promise<string[]> {
  const texts: string[] = [];
  await expect(async () => {
    const shown = await page.getByTestId('text').allTextContents();
    const known = texts[0] === undefined ? shown.length : shown.lastIndexOf(texts[0]);
    texts.unshift(...shown.slice(0, Math.max(known, 0)));
    await page.getByTestId('text').first().scrollIntoViewIfNeeded();
    await expect(page.getByText('The beginning of this conversation')).toBeVisible({
      timeout: 100,
    });
  }).toPass();
  const shown = await page.getByTestId('text').allTextContents();
  texts.unshift(...shown.slice(0, Math.max(shown.lastIndexOf(texts[0] ?? ''), 0)));
  return texts;
}

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
  const waiting = ada.page.locator('article[data-state="waiting"]');
  await expect(waiting).toHaveCount(0);
  await expect(ben.page.getByRole('link', { name: /Ada/ })).toContainText('100 unread');

  const { page } = await Device.open(browser, 1).then(async (fresh) => {
    await fresh.signIn(bensAccount);
    return fresh;
  });
  await page.getByRole('link', { name: /Ada/ }).click();
  await expect(page.getByText('New messages')).toBeVisible();
  // To the end first, then to the beginning, page by page.
  await page.getByRole('button', { name: /To the newest message/ }).click();
  await expect(page.getByRole('main').getByText('message 100', { exact: true })).toBeVisible();
  await expect(page.getByRole('link', { name: /Ada/ })).not.toContainText('unread');
  expect(await readUpwards(page)).toEqual(texts);

  // What is written below moves nothing up here, and is announced by the button to the end.
  const seventh = page.getByText('message 7', { exact: true });
  await seventh.scrollIntoViewIfNeeded();
  const before = await seventh.boundingBox();
  await ada.write('message 101');
  const toEnd = page.getByRole('button', { name: /To the newest message, 1 unread/ });
  await expect(toEnd).toBeVisible();
  expect((await seventh.boundingBox())?.y).toBeCloseTo(before?.y ?? 0, 0);
  await toEnd.click();
  await expect(page.getByRole('main').getByText('message 101', { exact: true })).toBeVisible();
  await expect(page.getByRole('link', { name: /Ada/ })).not.toContainText('unread');
});

/**
 * Smooth is what the page's own work allows: its main thread is busy for less than a frame at 60 a second, on
 * average. That is counted in CPU time, because how long a frame took also tells what else the machine did.
 */
async function isSmooth<T extends { frames: number[] }>(
  page: Page,
  what: string,
  scroll: () => Promise<T>,
): Promise<T> {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const busyMs = async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    return 1_000 * (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN);
  };
  const before = await busyMs();
  const scrolled = await scroll();
  const busy = ((await busyMs()) - before) / scrolled.frames.length;
  const sorted = scrolled.frames.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.floor(sorted.length * part)] ?? 0;
  const figures = `${what}: ${sorted.length} frames, median ${at(0.5)} ms, 95 % ${at(0.95)} ms, longest ${at(0.999)} ms; main thread ${busy.toFixed(1)} ms a frame`;
  test.info().annotations.push({ type: 'frames', description: figures });
  console.info(figures);
  expect(busy).toBeLessThan(1_000 / 60);
  return scrolled;
}

const MANY = 100_000;

test('a hundred thousand messages stay smooth, and what is loaded above moves nothing', async ({
  browser,
}) => {
  const [adasAccount, bensAccount] = [newAccount('Ada'), newAccount('Ben')];
  const ben = await Device.open(browser, 1);
  await ben.signUp(bensAccount);
  const ada = await Device.open(browser, 0);
  await ada.signUp(adasAccount, `/chat/user?handle=${bensAccount.handle}`);
  await ada.write('hello');
  await ada.shows(['hello']);
  const { page } = ada;
  await page.goto('/settings');
  // As if it had all been loaded once: the device's store holds it.
  await page.evaluate(fillStore, MANY);
  await page.goto('/');
  await page.getByRole('link', { name: /Ben/ }).click();
  await expect(page.getByText(`line ${MANY}`, { exact: false }).first()).toBeVisible();

  const { jumps } = await isSmooth(page, 'messages', () => scrollUp(page, 40_000));
  expect(jumps).toEqual([]);
  const reached = Number((await page.getByTestId('text').first().textContent())?.match(/\d+/)?.[0]);
  expect(reached).toBeLessThan(MANY - 350);
  // However far one scrolls, the page holds a few screens.
  expect(await page.locator('article').count()).toBeLessThan(120);
});

/** Runs in the page. */
async function fillStore(many: number): Promise<void> {
  const name = (await indexedDB.databases()).find((one) => one.name?.startsWith('parlance-'))?.name;
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const opening = indexedDB.open(name ?? '');
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
  const work = database.transaction(['conversations', 'entries'], 'readwrite');
  const conversations = work.objectStore('conversations');
  const [record] = await new Promise<{ conversation_id: string; peer_id: string }[]>((resolve) => {
    const reading = conversations.getAll();
    reading.onsuccess = () => resolve(reading.result);
  });
  const entries = work.objectStore('entries');
  for (let number = 1; number <= many; number += 1) {
    entries.put({
      conversation_id: record?.conversation_id,
      number,
      previous_number: number - 1,
      countable_total: number,
      time_unix_ms: 1_700_000_000_000 + number * 60_000,
      actor_id: number % 3 === 0 ? record?.peer_id : 'me',
      message: {
        message_id: `m${number}`,
        client_message_id: `c${number}`,
        text: `line ${number} ${'and some more words '.repeat(number % 7)}`,
        attachment_ids: [],
        reply_to_number: 0,
      },
    });
  }
  const state = {
    head_number: many,
    head_countable_total: many,
    read_number: many,
    unread_count: 0,
  };
  const top = { number: many, countable_total: many };
  conversations.put({ ...record, state, top, held: [{ from: 1, to: many }], heard_of: many });
  await new Promise((resolve, reject) => {
    work.oncomplete = resolve;
    work.onerror = () => reject(work.error);
  });
  database.close();
}

/** Scrolls up as a wheel does, frame after frame. Tells how long each took, and each time that a message moved back. */
async function scrollUp(page: Page, px: number): Promise<{ frames: number[]; jumps: number[] }> {
  const box = await page.getByTestId('timeline').boundingBox();
  if (!box) throw new Error('the timeline is not in sight');
  const watching = await page.evaluateHandle(watchFrames);
  const session = await page.context().newCDPSession(page);
  await session.send('Input.synthesizeScrollGesture', {
    x: box.x + box.width / 2,
    y: box.y + box.height / 2,
    yDistance: px,
    speed: 12_000,
    gestureSourceType: 'mouse',
  });
  return watching.evaluate((watched) => watched.end());
}

/** Runs in the page. */
function watchFrames(): { end: () => { frames: number[]; jumps: number[] } } {
  const frames: number[] = [];
  const jumps: number[] = [];
  let last = performance.now();
  let watched: Element | undefined;
  let lastY = 0;
  let wasAtEdge = false;
  const timeline = document.querySelector('[data-testid="timeline"]');
  const painted = new MessageChannel();
  painted.port1.onmessage = () => {
    const y = watched?.isConnected ? watched.getBoundingClientRect().top : undefined;
    if (y !== undefined && y < lastY - 2 && !wasAtEdge) jumps.push(Math.round(y - lastY));
    if (y === undefined || y < 0 || y > 500) {
      watched = [...document.querySelectorAll('article')].find(
        (one) => one.getBoundingClientRect().top > 100,
      );
    }
    lastY = watched?.getBoundingClientRect().top ?? 0;
    // Where a wheel comes to the edge faster than the store reads, the browser holds it there: what is measured
    // meanwhile shows as a step, which says nothing of what is loaded above.
    wasAtEdge = timeline?.scrollTop === 0;
  };
  let request = 0;
  const frame = (now: number) => {
    frames.push(Math.round(now - last));
    last = now;
    // What a person sees stands only after sizes were measured and the frame was painted.
    painted.port2.postMessage(undefined);
    request = requestAnimationFrame(frame);
  };
  request = requestAnimationFrame(frame);
  return {
    end: () => {
      cancelAnimationFrame(request);
      return { frames: frames.slice(1), jumps };
    },
  };
}

test('a list of a thousand conversations stays smooth, and is walked through by keyboard', async ({
  browser,
}) => {
  const { ada } = await twoTalking(browser);
  const { page } = ada;
  await ada.write('hello');
  await ada.shows(['hello']);
  // The server knows nothing of the others.
  await ada.cutSockets();
  await page.goto('/settings');
  await page.evaluate(fillList, 999);
  await page.goto('/');
  const lines = page.getByRole('navigation', { name: 'Conversations' }).getByRole('listitem');
  await expect(lines.first()).toContainText('group 999');
  await expect(lines.first()).toHaveAttribute('aria-setsize', '1000');

  await isSmooth(page, 'conversations', () =>
    page.evaluate(measureList, 160).then((all) => ({ frames: all })),
  );
  expect(await lines.count()).toBeLessThan(60);

  await page.keyboard.press('Control+k');
  await page.keyboard.press('ArrowDown');
  await expect(page.getByRole('link', { name: /^group 999/ })).toBeFocused();
  await page.keyboard.press('End');
  await expect(page.getByRole('link', { name: /^Ben/ })).toBeFocused();
  await expect(page.getByRole('link', { name: /^Ben/ })).toBeInViewport();
  await page.keyboard.press('ArrowUp');
  await expect(page.getByRole('link', { name: /^group 1 / })).toBeFocused();
  await page.keyboard.press('Home');
  await expect(page.getByRole('link', { name: /^group 999/ })).toBeInViewport();
  await page.keyboard.press('ArrowUp');
  const search = page.getByRole('searchbox', { name: 'Search conversations' });
  await expect(search).toBeFocused();
  await search.fill('group 500');
  await expect(lines).toHaveCount(1);
  await expect(lines).toHaveAttribute('aria-setsize', '1');
});

/** Runs in the page: groups that were never heard of again. */
async function fillList(many: number): Promise<void> {
  const name = (await indexedDB.databases()).find((one) => one.name?.startsWith('parlance-'))?.name;
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const opening = indexedDB.open(name ?? '');
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
  const work = database.transaction('conversations', 'readwrite');
  const conversations = work.objectStore('conversations');
  const [record] = await new Promise<{ activity_ms: number; last_entry: object }[]>((resolve) => {
    const reading = conversations.getAll();
    reading.onsuccess = () => resolve(reading.result);
  });
  for (let number = 1; number <= many; number += 1) {
    const activity_ms = (record?.activity_ms ?? 0) + number * 1_000;
    conversations.put({
      ...record,
      conversation_id: crypto.randomUUID(),
      kind: 'group',
      name: `group ${number}`,
      peer_id: undefined,
      activity_ms,
      last_entry: { ...record?.last_entry, time_unix_ms: activity_ms },
    });
  }
  await new Promise((resolve, reject) => {
    work.oncomplete = resolve;
    work.onerror = () => reject(work.error);
  });
  database.close();
}

/** Runs in the page: scrolls the list down and up, and tells how long each frame took. */
function measureList(many: number): Promise<number[]> {
  return new Promise((resolve) => {
    const frames: number[] = [];
    const list = document.querySelector('nav:has([data-conversation])');
    let last = performance.now();
    const frame = (now: number) => {
      frames.push(Math.round(now - last));
      last = now;
      list?.scrollBy(0, frames.length < many / 2 ? 300 : -300);
      if (frames.length < many) requestAnimationFrame(frame);
      else resolve(frames.slice(1));
    };
    requestAnimationFrame(frame);
  });
}

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
