import {
  type APIRequestContext,
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  expect,
  type Page,
  type WebSocketRoute,
} from '@playwright/test';
import { WebSocket } from 'ws';

const GATEWAYS = (process.env.PARLANCE_GATEWAYS ?? '').split(',').filter((url) => url !== '');

/** Unlike any of an earlier run: the suite may be an old one. */
export function newHandle(name: string): string {
  return `${name}.${Date.now().toString(36)}${Math.floor(Math.random() * 1e6).toString(36)}`;
}

export interface Account {
  name: string;
  handle: string;
  email: string;
  password: string;
}

export function newAccount(name: string): Account {
  const handle = newHandle(name.toLowerCase());
  return { name, handle, email: `${handle}@example.org`, password: 'correct horse battery 42' };
}

/** A person's browser, whose sockets can be cut. */
export class Device {
  #sockets = new Set<WebSocketRoute>();
  #isCut = false;

  private constructor(
    readonly context: BrowserContext,
    readonly page: Page,
    private readonly gateway: string | undefined,
  ) {}

  /** `gateway`: which of the suite's gateways it talks to, where they are known; else the origin chooses. */
  static async open(
    browser: Browser,
    gateway = 0,
    options: BrowserContextOptions = {},
  ): Promise<Device> {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    const device = new Device(context, page, GATEWAYS[gateway % Math.max(GATEWAYS.length, 1)]);
    await context.routeWebSocket(/\/socket$/, (socket) => device.#route(socket));
    return device;
  }

  /** How many sockets its tabs hold. */
  get openSockets(): number {
    return this.#sockets.size;
  }

  async cutSockets(): Promise<void> {
    this.#isCut = true;
    for (const socket of this.#sockets) await socket.close({ code: 1011 });
    this.#sockets.clear();
  }

  mendSockets(): void {
    this.#isCut = false;
  }

  async signUp(account: Account, path = '/'): Promise<void> {
    const { page } = this;
    await page.goto(path);
    await page.getByRole('button', { name: 'Create an account' }).click();
    await page.getByLabel('Name', { exact: true }).fill(account.name);
    await page.getByLabel('Handle').fill(account.handle);
    await page.getByLabel('E-mail').fill(account.email);
    await page.getByLabel('Password').fill(account.password);
    await page.getByRole('button', { name: 'Create account' }).click();
  }

  async signIn(account: Account, path = '/'): Promise<void> {
    const { page } = this;
    await page.goto(path);
    await page.getByLabel('E-mail').fill(account.email);
    await page.getByLabel('Password').fill(account.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
  }

  async isConnected(): Promise<void> {
    await expect(this.page.locator('[data-connection="connected"]')).toHaveCount(1);
  }

  async write(...texts: string[]): Promise<void> {
    const field = this.page.getByRole('textbox', { name: /^Message to/ });
    for (const text of texts) {
      await field.fill(text);
      await field.press('Enter');
    }
  }

  /** Exactly these messages are shown, in this order, all of them stored. */
  async shows(texts: string[]): Promise<void> {
    await expect(this.page.getByTestId('text')).toHaveText(texts);
    const unstored = 'article:is([data-state="waiting"], [data-state="refused"])';
    await expect(this.page.locator(unstored)).toHaveCount(0);
  }

  #route(socket: WebSocketRoute): void {
    if (this.#isCut) {
      void socket.close({ code: 1011 });
      return;
    }
    this.#sockets.add(socket);
    if (this.gateway) joinTo(socket, this.gateway);
    else socket.connectToServer();
  }
}

/** The page speaks to a gateway of our choice instead of the one that the origin would choose. */
function joinTo(socket: WebSocketRoute, gateway: string): void {
  const upstream = new WebSocket(gateway, 'parlance.v1.json');
  const opened = new Promise<void>((resolve) => upstream.once('open', () => resolve()));
  socket.onMessage(async (message) => {
    await opened;
    upstream.send(message);
  });
  socket.onClose(() => upstream.close());
  upstream.on('message', (data) => socket.send(data.toString()));
  upstream.on(
    'close',
    (code) => void socket.close({ code: code < 1000 || code === 1006 ? 1011 : code }),
  );
  upstream.on('error', () => void socket.close({ code: 1011 }));
}

/** Where the suite's mails are read; by default those of `cargo xtask up`. */
const MAILS = process.env.PARLANCE_MAILS ?? 'http://localhost:7187';

/** The link in the newest mail to somebody that begins with this path, as soon as it is there. */
export async function mailedLink(
  request: APIRequestContext,
  email: string,
  path: string,
): Promise<string> {
  let link: string | undefined;
  await expect(async () => {
    const answer = await request.get(`${MAILS}/mails`);
    const mails: { to: string[]; text: string }[] = await answer.json();
    const words = mails.filter((mail) => mail.to.includes(email)).map((mail) => mail.text);
    link = words
      .flatMap((text) => text.match(/https?:\/\/\S+/gu) ?? [])
      .find((found) => {
        return new URL(found).pathname === path;
      });
    expect(link).toBeDefined();
  }).toPass({ timeout: 30_000 });
  return link ?? '';
}

/** Ada has opened a conversation with Ben; each is on a gateway of their own. */
export async function twoTalking(
  browser: Browser,
  options: { secondDeviceOfAda?: boolean } = {},
): Promise<{ ada: Device; ben: Device; second?: Device }> {
  const [adasAccount, bensAccount] = [newAccount('Ada'), newAccount('Ben')];
  const ben = await Device.open(browser, 1);
  await ben.signUp(bensAccount);
  await ben.isConnected();
  const ada = await Device.open(browser, 0);
  await ada.signUp(adasAccount, `/chat/user?handle=${bensAccount.handle}`);
  await expect(ada.page.getByRole('heading', { name: 'Ben' })).toBeVisible();
  await ada.isConnected();
  if (!options.secondDeviceOfAda) return { ada, ben };
  const second = await Device.open(browser, 1);
  await second.signIn(adasAccount);
  await second.isConnected();
  return { ada, ben, second };
}
