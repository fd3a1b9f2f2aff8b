import { type KeyboardEvent, memo, useRef, useState } from 'react';
import type { Entry } from '@/engine/wire';
import { EmojiPopover } from '@/shared/emoji/emoji-button';
import { recentEmoji, rememberEmoji } from '@/shared/emoji/recent';
import { t } from '@/shared/i18n/i18n';
import { colourClass } from '@/shared/people/colour';
import { nameOf, type People } from '@/shared/people/names';
import { PersonAvatar } from '@/shared/people/person-avatar';
import { useSignedIn } from '@/shared/session/context';
import {
  AlertIcon,
  ClockIcon,
  CopyIcon,
  DoubleTickIcon,
  InfoIcon,
  MoreIcon,
  PencilIcon,
  ReplyIcon,
  SmileIcon,
  TickIcon,
  TrashIcon,
} from '@/shared/ui/icons';
import { Menu, type MenuItem } from '@/shared/ui/menu';
import { preciseTime, timeOfDay } from '@/shared/ui/time';
import { Attachment } from './attachment';
import { useDialogActions } from './dialog-actions';
import { linkParts } from './links';
import { Reactions } from './reactions';
import { Refusal } from './refusal';
import type { Bubble, MessageRow } from './timeline-rows';

interface Props {
  row: MessageRow;
  people: People;
  inGroup: boolean;
  /** What this message answers, as far as it is held. */
  quoted: Entry | undefined;
}

/** Drawn again only if it would look different: each new message lists all rows anew. */
export const MessageLine = memo(
  PlainMessageLine,
  (before, after) =>
    before.people === after.people &&
    before.inGroup === after.inGroup &&
    before.quoted?.message?.changed_number === after.quoted?.message?.changed_number &&
    (before.quoted === undefined) === (after.quoted === undefined) &&
    JSON.stringify(before.row) === JSON.stringify(after.row),
);

function PlainMessageLine({ row, people, inGroup, quoted }: Props) {
  const { bubble, own, isFirst, isLast } = row;
  const { isMember } = useDialogActions();
  const name = nameOf(people, row.actorId);
  const withAvatar = inGroup && !own;
  const corner = isLast ? (own ? 'rounded-br-md' : 'rounded-bl-md') : '';
  const colour = own ? 'bg-own' : 'bg-other shadow-[0_1px_1px_rgb(0_0_0/0.05)]';
  const ring = bubble.refused ? 'ring-1 ring-danger/60' : '';
  const menu = useMessageMenu(row);
  return (
    <div className={`flex items-end gap-2 ${isFirst ? 'pt-2.5' : 'pt-0.5'}`}>
      {withAvatar && (
        <span className="w-8 shrink-0">
          {isLast && (
            <PersonAvatar
              id={row.actorId}
              name={name}
              size="small"
              picture={people.get(row.actorId)?.picture}
            />
          )}
        </span>
      )}
      <div className={`flex min-w-0 flex-1 flex-col ${own ? 'items-end' : 'items-start'}`}>
        <div
          className={`group/line flex max-w-[min(34rem,92%)] items-center gap-1 ${own ? 'flex-row-reverse' : ''}`}
        >
          <article
            // biome-ignore lint/a11y/noNoninteractiveTabindex: arrows move from message to message
            tabIndex={0}
            aria-label={labelOf(row, name)}
            onKeyDown={menu.pressed}
            onContextMenu={menu.contextMenu}
            className={`relative w-fit min-w-0 rounded-2xl px-3.5 py-2 ${corner} ${colour} ${ring}`}
            data-state={bubble.state}
            data-own={own || undefined}
            data-number={bubble.number}
          >
            {withAvatar && isFirst && (
              <p className={`mb-0.5 font-semibold text-sm ${colourClass(row.actorId)}`}>{name}</p>
            )}
            {bubble.replyTo > 0 && !bubble.isDeleted && (
              <Quote number={bubble.replyTo} entry={quoted} people={people} />
            )}
            {bubble.attachmentIds.map((id) => (
              <Attachment key={id} fileId={id} />
            ))}
            <Body bubble={bubble} own={own} />
          </article>
          {isMember && <Actions row={row} menu={menu} />}
        </div>
        {bubble.reactions.length > 0 && <Reactions row={row} people={people} />}
        {bubble.refused && <Refusal item={bubble.refused} />}
      </div>
    </div>
  );
}

function labelOf(row: MessageRow, name: string): string {
  const { bubble, own } = row;
  const text = bubble.isDeleted
    ? t('message.deleted')
    : bubble.text || t('message.files', { count: bubble.attachmentIds.length });
  return `${own ? t('people.you') : name}, ${timeOfDay(bubble.timeMs)}: ${text}`;
}

function Body({ bubble, own }: { bubble: Bubble; own: boolean }) {
  const time = timeOfDay(bubble.timeMs);
  const edited = bubble.isEdited && !bubble.isDeleted ? `${t('message.edited')} ` : '';
  return (
    <>
      {/* An unseen copy of the footer keeps its place at the end of the last line, or on one of its own. */}
      <p
        data-testid="text"
        data-footer={edited + time}
        className={`whitespace-pre-wrap [overflow-wrap:anywhere] after:invisible after:ml-3 after:inline-block after:h-px after:text-xs after:tabular-nums after:content-[attr(data-footer)] ${own ? 'after:mr-5' : ''} ${bubble.isDeleted ? `${own ? 'text-own-soft' : 'text-soft'} italic` : ''}`}
      >
        {bubble.isDeleted ? t('message.deleted') : <Text text={bubble.text} />}
      </p>
      <span
        className={`absolute right-3 bottom-1.5 flex items-center gap-1 text-xs tabular-nums ${own ? 'text-own-soft' : 'text-soft'}`}
      >
        {edited && <span>{t('message.edited')}</span>}
        <time dateTime={new Date(bubble.timeMs).toISOString()} title={preciseTime(bubble.timeMs)}>
          {time}
        </time>
        {own && <StateIcon state={bubble.state} />}
      </span>
    </>
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

function StateIcon({ state }: { state: Bubble['state'] }) {
  const icon = {
    waiting: <ClockIcon className="size-3.5" />,
    stored: <TickIcon className="size-4" />,
    delivered: <DoubleTickIcon className="size-4" />,
    read: <DoubleTickIcon className="size-4 text-read" />,
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

function Quote({
  number,
  entry,
  people,
}: {
  number: number;
  entry: Entry | undefined;
  people: People;
}) {
  const { user } = useSignedIn();
  const { goTo } = useDialogActions();
  const message = entry?.message;
  const text = message?.deleted
    ? t('message.deleted')
    : message && (message.text || t('message.files', { count: message.attachment_ids.length }));
  const name =
    entry?.actor_id === user.user_id ? t('people.you') : nameOf(people, entry?.actor_id ?? '');
  return (
    <button
      type="button"
      aria-label={t('message.toQuoted', { name })}
      className="mt-0.5 mb-1.5 block w-full cursor-pointer rounded-lg border-accent border-l-3 bg-ink/5 in-data-own:bg-panel px-2.5 py-1 text-left text-sm hover:bg-ink/10 in-data-own:hover:bg-raised"
      onClick={() => goTo(number)}
    >
      {entry ? (
        <>
          <span className={`block truncate font-semibold ${colourClass(entry.actor_id)}`}>
            {name}
          </span>
          <span className="line-clamp-2 text-soft">{text}</span>
        </>
      ) : (
        <span className="text-soft">{t('message.anEarlierOne')}</span>
      )}
    </button>
  );
}

interface MessageMenu {
  isOpen: boolean;
  place: () => DOMRect;
  items: MenuItem[];
  openAt: (place: DOMRect) => void;
  close: () => void;
  pressed: (event: KeyboardEvent) => void;
  contextMenu: (event: React.MouseEvent) => void;
}

function useMessageMenu(row: MessageRow): MessageMenu {
  const actions = useDialogActions();
  const [place, setPlace] = useState<DOMRect>();
  const { bubble, own } = row;
  const isStored = bubble.number > 0 && !bubble.isDeleted;
  const items: MenuItem[] = [];
  const add = (key: string, label: string, icon: MenuItem['icon'], onChoose: () => void) =>
    items.push({ key, label, icon, onChoose });
  const small = 'size-4.5';
  if (isStored && actions.isMember) {
    add('reply', t('message.reply'), <ReplyIcon className={small} />, () => actions.reply(row));
  }
  if (isStored && own && bubble.text !== '' && actions.isMember) {
    add('edit', t('message.edit'), <PencilIcon className={small} />, () => actions.edit(row));
  }
  if (bubble.text !== '') {
    add('copy', t('message.copy'), <CopyIcon className={small} />, () => {
      void navigator.clipboard.writeText(bubble.text);
    });
  }
  if (isStored && own) {
    add('info', t('message.info'), <InfoIcon className={small} />, () => actions.showInfo(row));
  }
  if (bubble.number > 0 && actions.isMember) {
    items.push({
      key: 'delete',
      label: t('action.delete'),
      icon: <TrashIcon className={small} />,
      look: 'danger',
      onChoose: () => actions.askToDelete(row),
    });
  }
  const pressed = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey)
      return;
    const byKey: Record<string, string> = { r: 'reply', e: 'edit', i: 'info', Delete: 'delete' };
    const item = items.find(({ key }) => key === byKey[event.key]);
    if (event.key === 'Enter' || event.key === 'ContextMenu') {
      event.preventDefault();
      if (items.length > 0) setPlace(event.currentTarget.getBoundingClientRect());
    } else if (item) {
      event.preventDefault();
      item.onChoose();
    }
  };
  return {
    isOpen: place !== undefined && items.length > 0,
    place: () => place ?? new DOMRect(),
    items,
    openAt: setPlace,
    close: () => setPlace(undefined),
    pressed,
    contextMenu: (event) => {
      // Links and selected text keep the browser's own menu.
      const isPlain =
        !(event.target as Element).closest('a, img, video') && `${getSelection()}` === '';
      if (!isPlain || items.length === 0) return;
      event.preventDefault();
      setPlace(new DOMRect(event.clientX, event.clientY));
    },
  };
}

function Actions({ row, menu }: { row: MessageRow; menu: MessageMenu }) {
  const { react } = useDialogActions();
  const button = useRef<HTMLButtonElement>(null);
  const [emojiPlace, setEmojiPlace] = useState<DOMRect>();
  const { bubble } = row;
  const mayReact = bubble.number > 0 && !bubble.isDeleted;
  if (menu.items.length === 0) return null;
  const openPicker = () => {
    menu.close();
    setEmojiPlace(button.current?.getBoundingClientRect() ?? new DOMRect());
  };
  const pick = (emoji: string) => {
    menu.close();
    setEmojiPlace(undefined);
    rememberEmoji(emoji);
    react(row, emoji);
  };
  return (
    <>
      <button
        ref={button}
        type="button"
        aria-label={t('message.actions')}
        title={t('message.actions')}
        aria-haspopup="menu"
        aria-expanded={menu.isOpen}
        tabIndex={-1}
        className="shrink-0 cursor-pointer rounded-full p-1.5 text-soft opacity-0 transition-opacity hover:bg-hover hover:text-ink focus-visible:opacity-100 group-focus-within/line:opacity-100 group-hover/line:opacity-100 aria-expanded:opacity-100 [@media(hover:none)]:opacity-60"
        onClick={(event) => menu.openAt(event.currentTarget.getBoundingClientRect())}
      >
        <MoreIcon className="size-4" />
      </button>
      {menu.isOpen && (
        <Menu
          label={t('message.actions')}
          items={menu.items}
          place={menu.place}
          onClose={menu.close}
          header={mayReact && <QuickReactions onPick={pick} onMore={openPicker} />}
        />
      )}
      {emojiPlace && (
        <EmojiPopover
          label={t('message.react')}
          place={() => emojiPlace}
          onPick={pick}
          onClose={() => setEmojiPlace(undefined)}
        />
      )}
    </>
  );
}

const QUICK = 6;

function QuickReactions({
  onPick,
  onMore,
}: {
  onPick: (emoji: string) => void;
  onMore: () => void;
}) {
  const button =
    'flex size-9 cursor-pointer items-center justify-center rounded-full text-xl leading-none hover:bg-hover';
  return (
    <div
      role="toolbar"
      aria-label={t('message.react')}
      className="mb-1 flex gap-0.5 border-line border-b pb-1"
    >
      {recentEmoji()
        .slice(0, QUICK)
        .map((emoji) => (
          <button
            key={emoji}
            type="button"
            aria-label={t('message.reactWith', { emoji })}
            className={button}
            onClick={() => onPick(emoji)}
          >
            {emoji}
          </button>
        ))}
      <button
        type="button"
        aria-label={t('message.otherEmoji')}
        title={t('message.otherEmoji')}
        className={`${button} text-soft`}
        onClick={onMore}
      >
        <SmileIcon />
      </button>
    </div>
  );
}
