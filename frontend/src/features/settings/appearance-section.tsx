import {
  chooseLanguage,
  chosenLanguage,
  LANGUAGES,
  type LanguageChoice,
  t,
} from '@/shared/i18n/i18n';
import { Choice } from '@/shared/ui/choice';
import { Card } from '@/shared/ui/page';
import { applyTheme, type Theme, useTheme } from '@/shared/ui/theme';

export function AppearanceSection() {
  const theme = useTheme();
  const languages: [LanguageChoice, string][] = [['system', t('settings.system')], ...LANGUAGES];
  const themes: [Theme, string][] = [
    ['system', t('settings.system')],
    ['light', t('settings.light')],
    ['dark', t('settings.dark')],
  ];
  return (
    <>
      <Card title={t('settings.theme')}>
        <Choice
          name="theme"
          legend={t('settings.theme')}
          options={themes}
          value={theme}
          onChange={applyTheme}
        />
      </Card>
      <Card title={t('settings.language')}>
        <Choice
          name="language"
          legend={t('settings.language')}
          options={languages}
          value={chosenLanguage()}
          onChange={(choice) => void chooseLanguage(choice)}
        />
      </Card>
    </>
  );
}
