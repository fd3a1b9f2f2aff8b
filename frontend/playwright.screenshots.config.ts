import { defineConfig } from '@playwright/test';
import base from './playwright.config';

/** Pictures for the README, taken of a running suite with the demo's data. */
export default defineConfig(base, { testDir: 'screenshots', timeout: 180_000 });
