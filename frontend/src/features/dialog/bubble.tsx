import { memo } from 'react';
import { useSignedIn } from '@/shared/session/context';
import { AlertIcon, ClockIcon, TickIcon } from '@/shared/ui/icons';
import { preciseTime, timeOfDay } from '@/shared/ui/time';
import { Attachment } from './attachment';
import { linkParts } from './links';
import type { BubbleItem } from './timeline-items';

const REASONS: Record<string, string> = {
  not_a_member: 'You are not in this conversation any more.',
  conversation_unknown: 'You are not in this conversation any more.',
  text_too_long: 'The message is too long.',
  text_empty: 'The message is empty.',
  attachment_invalid: 'A file of this message is not available.',
  client_message_id_expired: 'It waited too long to be sent.',
  client_message_id_conflict: 'It was changed after it was sent.',
};

interface Props {
  bubble: BubbleItem;
  own: boolean;
  author: string | undefined;
  isLast: boolean;
}

/** Drawn again only if it would look different: each new message lists all bubbles anew. */
export const Bubble = memo(PlainBubble, (before, after) => {
  const [a, b] = [before.bubble, after.bubble];
  return (
    before.own === after.own &&
    before.author === after.author &&
    before.isLast === after.isLast &&
    a.key === b.key &&
    a.state === b.state &&
    a.timeMs === b.timeMs
  );
});

function PlainBubble({ bubble, own, author, isLast }: Props) {
  const corner = isLast ? (own ? 'rounded-br-md' : 'rounded-bl-md') : '';
  const colour = own ? 'bg-own' : 'bg-other shadow-[0_1px_1px_rgb(0_0_0/0.05)]';
  const refused = bubble.state === 'refused' ? 'ring-1 ring-danger/60' : '';
  return (
    <div className={`flex max-w-[min(34rem,86%)] flex-col ${own ? 'items-end self-end' : ''}`}>
      <article
        className={`relative w-fit max-w-full rounded-2xl px-3.5 py-2 ${corner} ${colour} ${refused}`}
        data-state={bubble.state}
      >
        {author && <p className="mb-0.5 font-semibold text-accent-ink text-sm">{author}</p>}
        {bubble.attachmentIds.map((id) => (
          <Attachment key={id} fileId={id} />
        ))}
        {/* An unseen copy of the time keeps its place at the end of the last line, or on one of its own. */}
        <p
          data-testid="text"
          data-time={timeOfDay(bubble.timeMs)}
          className={`whitespace-pre-wrap [overflow-wrap:anywhere] after:invisible after:ml-3 after:inline-block after:h-px after:text-xs after:tabular-nums after:content-[attr(data-time)] ${own ? 'after:mr-4' : ''}`}
        >
          <Text text={bubble.text} />
        </p>
        <Footer bubble={bubble} own={own} />
      </article>
      {bubble.state === 'refused' && <Refusal bubble={bubble} />}
    </div>
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

function Footer({ bubble, own }: { bubble: BubbleItem; own: boolean }) {
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

function StateIcon({ state }: { state: BubbleItem['state'] }) {
  const icon = {
    waiting: <ClockIcon className="size-3.5" />,
    stored: <TickIcon className="size-4" />,
    refused: <AlertIcon className="size-4 text-danger" />,
  }[state];
  const word = { waiting: 'Waiting to be sent', stored: 'Stored', refused: 'Not sent' }[state];
  return (
    <span title={word}>
      {icon}
      <span className="sr-only">{word}</span>
    </span>
  );
}

function Refusal({ bubble }: { bubble: BubbleItem }) {
  const { engine } = useSignedIn();
  const item = bubble.outboxItem;
  if (!item) return null;
  const { code = '', detail = '' } = item.refusal ?? {};
  const action = 'cursor-pointer rounded font-medium text-accent-ink hover:underline';
  return (
    <p role="alert" className="flex flex-wrap justify-end gap-x-3 px-1 pt-1 text-danger text-xs">
      <span>Not sent. {REASONS[code] ?? detail}</span>
      <button type="button" className={action} onClick={() => void engine.retry(item)}>
        Try again
      </button>
      <button type="button" className={action} onClick={() => void engine.discard(item)}>
        Delete
      </button>
    </p>
  );
}
