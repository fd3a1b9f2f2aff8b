import { gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

const KILOBYTE = 1_000;

/** Fails the build when what the first page needs of script, compressed, is more than this. */
export function scriptBudget(limitKilobytes: number): Plugin {
  return {
    name: 'parlance-script-budget',
    apply: 'build',
    generateBundle(_, bundle) {
      const first = new Set<string>();
      const visit = (fileName: string) => {
        const chunk = bundle[fileName];
        if (chunk?.type !== 'chunk' || first.has(fileName)) return;
        first.add(fileName);
        for (const imported of chunk.imports) visit(imported);
      };
      for (const [fileName, chunk] of Object.entries(bundle)) {
        if (chunk.type !== 'chunk') continue;
        // One language is always loaded; all are about as large.
        const isLanguage = chunk.facadeModuleId?.endsWith('/messages/en.json') ?? false;
        if (isLanguage || (chunk.isEntry && chunk.name === 'index')) visit(fileName);
      }
      let bytes = 0;
      for (const fileName of first) {
        const chunk = bundle[fileName];
        if (chunk?.type === 'chunk') bytes += gzipSync(chunk.code).length;
      }
      const size = (bytes / KILOBYTE).toFixed(1);
      if (bytes === 0) this.error('no script was found to weigh');
      if (bytes > limitKilobytes * KILOBYTE) {
        this.error(
          `the first load is ${size} kB of compressed script; ${limitKilobytes} are allowed`,
        );
      }
      this.info(`first load: ${size} kB of compressed script in ${first.size} files`);
    },
  };
}
