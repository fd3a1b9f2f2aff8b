/** What the client says, in the language of its person. */
import { i18n } from '@lingui/core';
import { useSyncExternalStore } from 'react';
import type en from './messages/en.json';

export type MessageKey = keyof typeof en;
export type Language = 'en' | 'de';
export type LanguageChoice = Language | 'system';

/** Each in its own words. */
export const LANGUAGES: readonly [Language, string][] = [
  ['en', 'English'],
  ['de', 'Deutsch'],
];

const CATALOGS: Record<Language, () => Promise<{ default: object }>> = {
  en: () => import('./messages/en.json'),
  de: () => import('./messages/de.json'),
};
const KEY = 'parlance.language';
const listeners = new Set<() => void>();

/** A message of the catalog, an ICU message, with its values put in. */
export function t(key: MessageKey, values?: Record<string, string | number>): string {
  return i18n._(key, values);
}

export function chosenLanguage(): LanguageChoice {
  const chosen = localStorage.getItem(KEY);
  return LANGUAGES.find(([language]) => language === chosen)?.[0] ?? 'system';
}

export async function chooseLanguage(choice: LanguageChoice): Promise<void> {
  if (choice === 'system') localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, choice);
  await speak();
}

/** Loads the language that was chosen, or the first of the browser's that there is. */
export async function speak(): Promise<void> {
  const choice = chosenLanguage();
  const language = choice === 'system' ? languageOf(navigator.languages) : choice;
  const { default: messages } = await CATALOGS[language]();
  // Dates and numbers follow the browser's region where it has one of this language.
  const region = navigator.languages.find((tag) => languageOf([tag]) === language) ?? language;
  i18n.loadAndActivate({ locale: language, locales: region, messages: messages as never });
  document.documentElement.lang = language;
  for (const listener of listeners) listener();
}

function languageOf(tags: readonly string[]): Language {
  for (const tag of tags) {
    const base = tag.toLowerCase().split('-')[0];
    const found = LANGUAGES.find(([language]) => language === base);
    if (found) return found[0];
  }
  return 'en';
}

/** The language in use; what shows text is drawn anew when it changes, by this key. */
export function useLanguage(): Language {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => i18n.locale as Language,
  );
}

/** For dates and numbers. */
export function locale(): string {
  const { locales } = i18n;
  return (typeof locales === 'string' ? locales : locales?.[0]) ?? i18n.locale;
}
