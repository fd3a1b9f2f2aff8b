import { fileURLToPath } from 'node:url';
import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

const origin = process.env.PARLANCE_ORIGIN ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react(), tailwindcss()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    target: 'es2023',
    // A strict Content-Security-Policy allows files of this origin only.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    // 160 kB on the way; a chat needs all of it at once.
    chunkSizeWarningLimit: 600,
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
    testTimeout: 30_000,
  },
});
