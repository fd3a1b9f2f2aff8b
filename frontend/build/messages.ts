import { compileMessage } from '@lingui/message-utils/compileMessage';
import type { Plugin } from 'vite';

const CATALOG = /\/i18n\/messages\/[a-z]+\.json$/u;

/** Compiles the ICU messages of the catalogs, so that their parser needn't travel to the browser. */
export function compiledMessages(): Plugin {
  return {
    name: 'parlance-messages',
    enforce: 'pre',
    transform(code, id) {
      if (!CATALOG.test(id)) return undefined;
      const catalog = Object.entries<string>(JSON.parse(code));
      const compiled = catalog.map(([key, message]) => [key, compileMessage(message)]);
      return { code: JSON.stringify(Object.fromEntries(compiled)), map: null };
    },
  };
}
