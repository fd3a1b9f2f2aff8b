import { useMutation } from '@tanstack/react-query';
import { useLiveQuery } from 'dexie-react-hooks';
import { sentence } from '@/shared/api/problem';
import {
  chooseLanguage,
  chosenLanguage,
  LANGUAGES,
  type LanguageChoice,
  t,
} from '@/shared/i18n/i18n';
import { useSession, useSignedIn } from '@/shared/session/context';
import { Avatar } from '@/shared/ui/avatar';
import { Button } from '@/shared/ui/button';
import { Choice } from '@/shared/ui/choice';
import { DoorIcon } from '@/shared/ui/icons';
import { Notice } from '@/shared/ui/notice';
import { Card, Page } from '@/shared/ui/page';
import { applyTheme, type Theme, useTheme } from '@/shared/ui/theme';

export default function SettingsPage() {
  const { user } = useSignedIn();
  return (
    <Page title={t('nav.settings')}>
      <Card>
        <div className="flex items-center gap-4">
          <Avatar id={user.user_id} name={user.display_name} size="large" />
          <div className="min-w-0">
            <p className="truncate font-semibold text-lg">{user.display_name}</p>
            <p className="truncate text-soft">@{user.handle}</p>
          </div>
        </div>
      </Card>
      <Appearance />
      <LeavingCard />
    </Page>
  );
}

function Appearance() {
  const theme = useTheme();
  const languages: [LanguageChoice, string][] = [['system', t('settings.system')], ...LANGUAGES];
  const themes: [Theme, string][] = [
    ['system', t('settings.system')],
    ['light', t('settings.light')],
    ['dark', t('settings.dark')],
  ];
  return (
    <Card title={t('settings.appearance')}>
      <div className="grid gap-4">
        <div className="grid gap-1.5">
          <p className="font-medium text-sm" aria-hidden="true">
            {t('settings.theme')}
          </p>
          <Choice
            name="theme"
            legend={t('settings.theme')}
            options={themes}
            value={theme}
            onChange={applyTheme}
          />
        </div>
        <div className="grid gap-1.5">
          <p className="font-medium text-sm" aria-hidden="true">
            {t('settings.language')}
          </p>
          <Choice
            name="language"
            legend={t('settings.language')}
            options={languages}
            value={chosenLanguage()}
            onChange={(choice) => void chooseLanguage(choice)}
          />
        </div>
      </div>
    </Card>
  );
}

function LeavingCard() {
  const { engine } = useSignedIn();
  const session = useSession();
  const waiting = useLiveQuery(() => engine.database.outbox.count(), [engine]) ?? 0;
  const leaving = useMutation({ mutationFn: () => session.signOut() });
  return (
    <Card title={t('settings.thisDevice')}>
      <div className="grid justify-items-start gap-3">
        <p className="text-soft text-sm">{t('settings.signOutHint')}</p>
        {waiting > 0 && <Notice kind="error">{t('settings.unsent', { count: waiting })}</Notice>}
        {leaving.error && <Notice kind="error">{sentence(leaving.error)}</Notice>}
        <Button
          look="danger"
          className="-ml-3"
          disabled={leaving.isPending}
          onClick={() => leaving.mutate()}
        >
          <DoorIcon /> {t('settings.signOut')}
        </Button>
      </div>
    </Card>
  );
}
