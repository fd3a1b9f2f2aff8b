import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import type { Plugin } from 'vite';

/**
 * Tells the service worker which files belong to this build. Its own text changes with them, which is
 * how a browser notices that there is a new version.
 */
export function precacheList(): Plugin {
  let publicFolder = '';
  return {
    name: 'parlance-precache',
    apply: 'build',
    enforce: 'post',
    configResolved(config) {
      publicFolder = config.publicDir;
    },
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        const worker = bundle['service-worker.js'];
        if (worker?.type !== 'chunk') this.error('the service worker was not built');
        const built = Object.keys(bundle).filter((name) => name !== 'service-worker.js');
        const files = [...new Set([...built, ...readdirSync(publicFolder)])].sort();
        const digest = createHash('sha256');
        for (const name of built.sort()) {
          const file = bundle[name];
          digest.update(name);
          if (file) digest.update(file.type === 'chunk' ? file.code : file.source);
        }
        const version = digest.digest('hex').slice(0, 16);
        worker.code = worker.code
          .replace('__FILES__', JSON.stringify(files.map((name) => `/${name}`)))
          .replace('__VERSION__', JSON.stringify(version));
      },
    },
  };
}
