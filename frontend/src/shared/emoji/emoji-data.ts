import { useEffect, useState } from 'react';
import { type Language, useLanguage } from '../i18n/i18n';

export type EmojiGroup = [emoji: string, name: string, words: string][];

const DATA: Record<Language, () => Promise<{ default: EmojiGroup[] }>> = {
  en: () => import('virtual:emoji/en'),
  de: () => import('virtual:emoji/de'),
};

/** Names in the language of the screen; fetched when somebody wants to pick one. */
export function useEmojiData(): EmojiGroup[] | undefined {
  const language = useLanguage();
  const [groups, setGroups] = useState<EmojiGroup[]>();
  useEffect(() => {
    let isCurrent = true;
    void DATA[language]().then((data) => {
      if (isCurrent) setGroups(data.default);
    });
    return () => {
      isCurrent = false;
    };
  }, [language]);
  return groups;
}
