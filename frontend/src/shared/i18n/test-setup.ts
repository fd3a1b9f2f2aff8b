import { speak } from './i18n';

// Tests of the screen read the English texts; those of the engine have no screen.
if (typeof document !== 'undefined') await speak();
