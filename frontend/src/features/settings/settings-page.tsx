import { Link, useParams } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { type MessageKey, t } from '@/shared/i18n/i18n';
import {
  BackIcon,
  DeviceIcon,
  KeyIcon,
  PersonIcon,
  ShieldIcon,
  SunIcon,
  TrashIcon,
} from '@/shared/ui/icons';
import { AccountSection } from './account-section';
import { AppearanceSection } from './appearance-section';
import { DevicesSection } from './devices-section';
import { PrivacySection } from './privacy-section';
import { ProfileSection } from './profile-section';
import { ProviderOutcome } from './provider-outcome';
import { SecuritySection } from './security-section';

const SECTIONS: { path: string; label: MessageKey; icon: ReactNode; Section: () => ReactNode }[] = [
  { path: 'profile', label: 'settings.profile', icon: <PersonIcon />, Section: ProfileSection },
  {
    path: 'appearance',
    label: 'settings.appearance',
    icon: <SunIcon />,
    Section: AppearanceSection,
  },
  { path: 'privacy', label: 'settings.privacy', icon: <ShieldIcon />, Section: PrivacySection },
  { path: 'security', label: 'settings.security', icon: <KeyIcon />, Section: SecuritySection },
  { path: 'devices', label: 'settings.devices', icon: <DeviceIcon />, Section: DevicesSection },
  { path: 'account', label: 'settings.account', icon: <TrashIcon />, Section: AccountSection },
];

/** Sections beside what is in the chosen one; on a phone one at a time. */
export default function SettingsPage() {
  const { section } = useParams({ strict: false });
  const chosen = SECTIONS.find((one) => one.path === section) ?? SECTIONS[0];
  const isList = section === undefined;
  return (
    <div className="flex h-full min-w-0">
      <nav
        aria-label={t('nav.settings')}
        className={`${isList ? 'flex' : 'hidden'} w-full flex-col border-line border-r bg-panel md:flex md:w-[21rem] xl:w-[23rem]`}
      >
        <p className="flex h-16 shrink-0 items-center px-4 font-semibold text-xl tracking-tight">
          {t('nav.settings')}
        </p>
        <ul className="grid grid-cols-1 gap-0.5 px-2">
          {SECTIONS.map(({ path, label, icon }) => (
            <li key={path}>
              <Link
                to="/settings/$section"
                params={{ section: path }}
                {...(isList && path === chosen?.path && { 'data-default': '' })}
                className="flex items-center gap-3 rounded-xl px-3 py-3 hover:bg-hover aria-[current=page]:bg-selected md:data-default:bg-selected"
              >
                <span className="text-soft">{icon}</span>
                {t(label)}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <main className={`${isList ? 'hidden md:flex' : 'flex'} min-w-0 flex-1 flex-col bg-canvas`}>
        <header className="flex h-16 shrink-0 items-center gap-2 border-line border-b bg-panel px-2 sm:px-6">
          <Link
            to="/settings"
            aria-label={t('action.back')}
            className="flex size-10 shrink-0 items-center justify-center rounded-full text-soft hover:bg-hover md:hidden"
          >
            <BackIcon />
          </Link>
          <h1 className="font-semibold text-lg">{chosen && t(chosen.label)}</h1>
        </header>
        <div className="min-h-0 flex-1 overflow-y-auto">
          <div className="mx-auto grid w-full max-w-2xl grid-cols-1 gap-4 p-4 sm:p-6">
            <ProviderOutcome key={chosen?.path} />
            {chosen && <chosen.Section />}
          </div>
        </div>
      </main>
    </div>
  );
}
