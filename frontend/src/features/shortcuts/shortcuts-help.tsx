import { type MessageKey, t } from '@/shared/i18n/i18n';
import { Modal } from '@/shared/ui/modal';

const isApple = /Mac|iPhone|iPad/u.test(navigator.userAgent);
const COMMAND = isApple ? '⌘' : 'Ctrl';
const OPTION = isApple ? '⌥' : 'Alt';

const SHORTCUTS: { keys: string[]; does: MessageKey }[] = [
  { keys: [COMMAND, 'K'], does: 'shortcuts.search' },
  { keys: [OPTION, '↑'], does: 'shortcuts.previous' },
  { keys: [OPTION, '↓'], does: 'shortcuts.next' },
  { keys: [OPTION, '⇧', '↓'], does: 'shortcuts.nextUnread' },
  { keys: [OPTION, 'W'], does: 'shortcuts.write' },
  { keys: ['↵'], does: 'shortcuts.send' },
  { keys: ['⇧', '↵'], does: 'shortcuts.newLine' },
  { keys: ['↑'], does: 'shortcuts.intoMessages' },
  { keys: [COMMAND, '/'], does: 'shortcuts.help' },
];

export function ShortcutsHelp({ onClose }: { onClose: () => void }) {
  return (
    <Modal title={t('shortcuts.title')} onClose={onClose}>
      <dl className="grid grid-cols-1 gap-2">
        {SHORTCUTS.map(({ keys, does }) => (
          <div key={does} className="flex items-center gap-4">
            <dt className="flex-1">{t(does)}</dt>
            <dd className="flex gap-1">
              {keys.map((key) => (
                <kbd
                  key={key}
                  className="min-w-7 rounded-md border border-line bg-raised px-1.5 py-0.5 text-center font-sans text-sm"
                >
                  {key}
                </kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Modal>
  );
}
