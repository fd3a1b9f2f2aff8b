import { useInfiniteQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { sentence } from '@/shared/api/problem';
import { t } from '@/shared/i18n/i18n';
import { nameOf, usePeople } from '@/shared/people/names';
import { PersonAvatar } from '@/shared/people/person-avatar';
import { useSignedIn } from '@/shared/session/context';
import { Button } from '@/shared/ui/button';
import { Modal } from '@/shared/ui/modal';
import { Notice } from '@/shared/ui/notice';
import { LineSkeletons } from '@/shared/ui/page';
import { dayAndTime, preciseTime } from '@/shared/ui/time';
import { useNow } from '@/shared/ui/use-now';
import type { MessageRow } from './timeline-rows';

/** Who got a message and who read it, and when. */
export default function MessageInfo({
  conversationId,
  row,
  onClose,
}: {
  conversationId: string;
  row: MessageRow;
  onClose: () => void;
}) {
  const { api } = useSignedIn();
  const receipts = useInfiniteQuery({
    queryKey: ['receipts', conversationId, row.bubble.number],
    queryFn: ({ pageParam }) => api.getReceipts(conversationId, row.bubble.number, pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_after ?? undefined,
    // People read while one looks.
    refetchInterval: 5_000,
  });
  const all = receipts.data?.pages.flatMap((page) => page.receipts);
  const people = usePeople(useMemo(() => all?.map((one) => one.user_id) ?? [], [all]));
  const read = all?.filter((one) => typeof one.read_time_unix_ms === 'number') ?? [];
  const delivered =
    all?.filter(
      (one) =>
        typeof one.read_time_unix_ms !== 'number' && typeof one.delivered_time_unix_ms === 'number',
    ) ?? [];
  const waiting = all?.filter((one) => !read.includes(one) && !delivered.includes(one)) ?? [];
  return (
    <Modal title={t('message.info')} onClose={onClose}>
      <div className="grid grid-cols-1 gap-4">
        <div className="rounded-2xl bg-own px-3.5 py-2">
          <p className="line-clamp-4 whitespace-pre-wrap [overflow-wrap:anywhere]">
            {row.bubble.text || t('message.files', { count: row.bubble.attachmentIds.length })}
          </p>
          <p className="text-own-soft text-xs">{preciseTime(row.bubble.timeMs)}</p>
        </div>
        {receipts.error && <Notice kind="error">{sentence(receipts.error)}</Notice>}
        {receipts.isPending && <LineSkeletons count={2} />}
        <Readers
          title={t('info.read', { count: read.length })}
          people={read.map((one) => ({ id: one.user_id, ms: one.read_time_unix_ms ?? undefined }))}
          names={people}
        />
        <Readers
          title={t('info.delivered', { count: delivered.length })}
          people={delivered.map((one) => ({
            id: one.user_id,
            ms: one.delivered_time_unix_ms ?? undefined,
          }))}
          names={people}
        />
        <Readers
          title={t('info.waiting', { count: waiting.length })}
          people={waiting.map((one) => ({ id: one.user_id, ms: undefined }))}
          names={people}
        />
        {receipts.hasNextPage && (
          <Button look="soft" onClick={() => void receipts.fetchNextPage()}>
            {t('action.more')}
          </Button>
        )}
      </div>
    </Modal>
  );
}

function Readers({
  title,
  people,
  names,
}: {
  title: string;
  people: { id: string; ms: number | undefined }[];
  names: ReturnType<typeof usePeople>;
}) {
  const now = useNow();
  if (people.length === 0) return null;
  return (
    <section>
      <h3 className="mb-1 font-medium text-soft text-sm">{title}</h3>
      <ul>
        {people.map(({ id, ms }) => (
          <li key={id} className="flex items-center gap-3 py-1.5">
            <PersonAvatar
              id={id}
              name={nameOf(names, id)}
              size="small"
              picture={names.get(id)?.picture}
            />
            <span className="min-w-0 flex-1 truncate">{nameOf(names, id)}</span>
            {ms !== undefined && (
              <time
                dateTime={new Date(ms).toISOString()}
                title={preciseTime(ms)}
                className="text-soft text-sm tabular-nums"
              >
                {dayAndTime(ms, now)}
              </time>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
