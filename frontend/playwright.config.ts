import { defineConfig } from '@playwright/test';

/**
 * The suite to test is started by `cargo xtask test`, which hands its address over; by default it is that of
 * `cargo xtask up --oidc`.
 */
const origin = process.env.PARLANCE_ORIGIN ?? 'http://localhost:8080';

export default defineConfig({
  testDir: 'e2e',
  // Long enough for a machine that does much else: tests wait for what happens, not for time.
  timeout: 400_000,
  expect: { timeout: 60_000 },
  workers: 1,
  forbidOnly: true,
  reporter: 'list',
  use: {
    baseURL: origin,
    trace: 'retain-on-failure',
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath: process.env.PARLANCE_CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        // A document whose headers a test changed counts as one from far away.
        '--disable-features=LocalNetworkAccessChecks',
      ],
    },
  },
});
