import { memo } from 'react';
import { type MessageKey, t } from '@/shared/i18n/i18n';
import { colourClass } from '@/shared/people/colour';
import { useSignedIn } from '@/shared/session/context';
import { Avatar } from '@/shared/ui/avatar';
import { AlertIcon, ClockIcon, CopyIcon, MoreIcon, TickIcon } from '@/shared/ui/icons';
import { MenuButton, type MenuItem } from '@/shared/ui/menu';
import { preciseTime, timeOfDay } from '@/shared/ui/time';
import { Attachment } from './attachment';
import { linkParts } from './links';
import type { Bubble, MessageRow } from './timeline-rows';

const REASONS: Record<string, MessageKey> = {
  not_a_member: 'refusal.not_a_member',
  conversation_unknown: 'refusal.not_a_member',
  text_too_long: 'refusal.text_too_long',
  text_empty: 'refusal.text_empty',
  attachment_invalid: 'refusal.attachment_invalid',
  client_message_id_expired: 'refusal.client_message_id_expired',
  client_message_id_conflict: 'refusal.client_message_id_conflict',
};

interface Props {
  row: MessageRow;
  /** Of its author. */
  name: string;
  inGroup: boolean;
}

/** Drawn again only if it would look different: each new message lists all rows anew. */
export const MessageLine = memo(PlainMessageLine, (before, after) => {
  const [a, b] = [before.row, after.row];
  return (
    before.name === after.name &&
    before.inGroup === after.inGroup &&
    a.key === b.key &&
    a.isFirst === b.isFirst &&
    a.isLast === b.isLast &&
    a.bubble.state === b.bubble.state &&
    a.bubble.timeMs === b.bubble.timeMs
  );
});

function PlainMessageLine({ row, name, inGroup }: Props) {
  const { bubble, own, isFirst, isLast } = row;
  const withAvatar = inGroup && !own;
  const corner = isLast ? (own ? 'rounded-br-md' : 'rounded-bl-md') : '';
  const colour = own ? 'bg-own' : 'bg-other shadow-[0_1px_1px_rgb(0_0_0/0.05)]';
  const refused = bubble.state === 'refused' ? 'ring-1 ring-danger/60' : '';
  return (
    <div className={`flex items-end gap-2 ${isFirst ? 'pt-2.5' : 'pt-0.5'}`}>
      {withAvatar && (
        <span className="w-8 shrink-0">
          {isLast && <Avatar id={row.actorId} name={name} size="small" />}
        </span>
      )}
      <div className={`flex min-w-0 flex-1 flex-col ${own ? 'items-end' : 'items-start'}`}>
        <div
          className={`group/line flex max-w-[min(34rem,90%)] items-center gap-1 ${own ? 'flex-row-reverse' : ''}`}
        >
          <article
            // biome-ignore lint/a11y/noNoninteractiveTabindex: arrows move from message to message
            tabIndex={0}
            aria-label={labelOf(row, name)}
            className={`relative w-fit min-w-0 rounded-2xl px-3.5 py-2 ${corner} ${colour} ${refused}`}
            data-state={bubble.state}
          >
            {withAvatar && isFirst && (
              <p className={`mb-0.5 font-semibold text-sm ${colourClass(row.actorId)}`}>{name}</p>
            )}
            {bubble.attachmentIds.map((id) => (
              <Attachment key={id} fileId={id} />
            ))}
            {/* An unseen copy of the time keeps its place at the end of the last line, or on one of its own. */}
            <p
              data-testid="text"
              data-time={timeOfDay(bubble.timeMs)}
              className={`whitespace-pre-wrap [overflow-wrap:anywhere] after:invisible after:ml-3 after:inline-block after:h-px after:text-xs after:tabular-nums after:content-[attr(data-time)] ${own ? 'after:mr-5' : ''}`}
            >
              <Text text={bubble.text} />
            </p>
            <Footer bubble={bubble} own={own} />
          </article>
          <Actions row={row} />
        </div>
        {bubble.state === 'refused' && <Refusal bubble={bubble} />}
      </div>
    </div>
  );
}

function labelOf(row: MessageRow, name: string): string {
  const { bubble, own } = row;
  const text = bubble.text || t('message.files', { count: bubble.attachmentIds.length });
  return `${own ? t('people.you') : name}, ${timeOfDay(bubble.timeMs)}: ${text}`;
}

function Actions({ row }: { row: MessageRow }) {
  const { text } = row.bubble;
  const items: MenuItem[] = [];
  if (text !== '') {
    items.push({
      key: 'copy',
      label: t('message.copy'),
      icon: <CopyIcon className="size-4" />,
      onChoose: () => void navigator.clipboard.writeText(text),
    });
  }
  if (items.length === 0) return null;
  return (
    <MenuButton
      label={t('message.actions')}
      items={items}
      className="shrink-0 cursor-pointer rounded-full p-1.5 text-soft opacity-0 hover:bg-hover hover:text-ink focus-visible:opacity-100 group-focus-within/line:opacity-100 group-hover/line:opacity-100 aria-expanded:opacity-100 [@media(hover:none)]:opacity-60"
    >
      <MoreIcon className="size-4" />
    </MenuButton>
  );
}

function Text({ text }: { text: string }) {
  return linkParts(text).map((part) =>
    part.href ? (
      <a
        key={part.at}
        href={part.href}
        target="_blank"
        rel="noopener noreferrer"
        className="text-accent-ink underline underline-offset-2"
      >
        {part.text}
      </a>
    ) : (
      part.text
    ),
  );
}

function Footer({ bubble, own }: { bubble: Bubble; own: boolean }) {
  return (
    <span
      className={`absolute right-3 bottom-1.5 flex items-center gap-1 text-xs tabular-nums ${own ? 'text-own-soft' : 'text-soft'}`}
    >
      <time dateTime={new Date(bubble.timeMs).toISOString()} title={preciseTime(bubble.timeMs)}>
        {timeOfDay(bubble.timeMs)}
      </time>
      {own && <StateIcon state={bubble.state} />}
    </span>
  );
}

function StateIcon({ state }: { state: Bubble['state'] }) {
  const icon = {
    waiting: <ClockIcon className="size-3.5" />,
    stored: <TickIcon className="size-4" />,
    refused: <AlertIcon className="size-4 text-danger" />,
  }[state];
  const word = t(`messageState.${state}`);
  return (
    <span title={word}>
      {icon}
      <span className="sr-only">{word}</span>
    </span>
  );
}

function Refusal({ bubble }: { bubble: Bubble }) {
  const { engine } = useSignedIn();
  const item = bubble.outboxItem;
  if (!item) return null;
  const { code = '', detail = '' } = item.refusal ?? {};
  const reason = REASONS[code];
  const action = 'cursor-pointer rounded font-medium text-accent-ink hover:underline';
  return (
    <p role="alert" className="flex flex-wrap justify-end gap-x-3 px-1 pt-1 text-danger text-xs">
      <span>{t('refusal.notSent', { reason: reason ? t(reason) : detail })}</span>
      <button type="button" className={action} onClick={() => void engine.retry(item)}>
        {t('action.tryAgain')}
      </button>
      <button type="button" className={action} onClick={() => void engine.discard(item)}>
        {t('action.delete')}
      </button>
    </p>
  );
}
