import { fileURLToPath } from 'node:url';
import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { scriptBudget } from './build/budget.ts';
import { emojiData } from './build/emoji.ts';
import { compiledMessages } from './build/messages.ts';
import { precacheList } from './build/service-worker.ts';

const origin = process.env.PARLANCE_ORIGIN ?? 'http://127.0.0.1:8080';
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  plugins: [
    react(),
    tailwindcss(),
    compiledMessages(),
    emojiData(),
    precacheList(),
    scriptBudget(200),
  ],
  resolve: { alias: { '@': here('./src') } },
  build: {
    target: 'es2023',
    // A strict Content-Security-Policy allows files of this origin only.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    // What the first page needs is weighed, compressed, by a plugin above.
    chunkSizeWarningLimit: 1_000,
    rollupOptions: {
      input: {
        index: here('./index.html'),
        'service-worker': here('./src/service-worker/service-worker.ts'),
      },
      output: {
        entryFileNames: (chunk) =>
          chunk.name === 'service-worker' ? '[name].js' : 'assets/[name]-[hash].js',
      },
    },
  },
  server: {
    proxy: {
      '/api': { target: origin, changeOrigin: true },
      '/socket': { target: origin, ws: true, changeOrigin: true },
    },
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.{ts,tsx}'],
    setupFiles: ['src/shared/i18n/test-setup.ts'],
    testTimeout: 60_000,
  },
});
