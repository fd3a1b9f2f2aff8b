import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { read } from '@/shared/api/conversations';
import type { components } from '@/shared/api/generated/conversation';
import { sentence } from '@/shared/api/problem';
import { locale, t } from '@/shared/i18n/i18n';
import { useSignedIn } from '@/shared/session/context';
import { Choice } from '@/shared/ui/choice';
import { Notice } from '@/shared/ui/notice';
import { Card, LineSkeletons, Page } from '@/shared/ui/page';

type Metric = components['schemas']['ReportMetric'];
type Activity = components['schemas']['GroupActivity'];
type Period = '7' | '30' | '90' | '365';

const PERIODS: Period[] = ['7', '30', '90', '365'];
const METRICS: Metric[] = ['members', 'active_users', 'messages'];

/** The ten groups with most of something, over a period. */
export default function ReportsPage() {
  const [period, setPeriod] = useState<Period>('30');
  return (
    <Page title={t('nav.reports')}>
      <Choice
        name="period"
        legend={t('reports.period')}
        options={PERIODS.map((days) => [days, t('reports.days', { count: Number(days) })] as const)}
        value={period}
        onChange={setPeriod}
      />
      {METRICS.map((metric) => (
        <TopGroups key={metric} metric={metric} days={Number(period)} />
      ))}
    </Page>
  );
}

function TopGroups({ metric, days }: { metric: Metric; days: number }) {
  const { api } = useSignedIn();
  const top = useQuery({
    queryKey: ['top-groups', metric, days],
    queryFn: async () => {
      const from = new Date(Date.now() - (days - 1) * 86_400_000).toISOString().slice(0, 10);
      const path = '/api/conversations/reports/top-groups';
      const params = { query: { by: metric, from } };
      return read(await api.conversations.GET(path, { params })).items;
    },
    placeholderData: (before) => before,
  });
  return (
    <Card title={t(`reports.by.${metric}`)}>
      {top.error && <Notice kind="error">{sentence(top.error)}</Notice>}
      {top.isPending && <LineSkeletons count={3} />}
      {top.data && <Bars items={top.data} metric={metric} />}
    </Card>
  );
}

/** A bar a group. The figures stand beside the bars: the picture says nothing that they don't. */
function Bars({ items, metric }: { items: readonly Activity[]; metric: Metric }) {
  const figureOf = (item: Activity) =>
    metric === 'members' ? item.group.member_count : item[metric];
  const most = Math.max(1, ...items.map(figureOf));
  const number = new Intl.NumberFormat(locale());
  if (items.length === 0) return <p className="py-4 text-soft">{t('reports.nothing')}</p>;
  return (
    <table className="w-full border-separate border-spacing-y-1">
      <thead className="sr-only">
        <tr>
          <th scope="col">{t('dialog.group')}</th>
          <th scope="col">{t(`reports.by.${metric}`)}</th>
        </tr>
      </thead>
      <tbody>
        {items.map((item) => (
          <tr key={item.group.conversation_id}>
            <th
              scope="row"
              className="w-2/5 max-w-0 truncate pr-3 text-left font-normal text-sm sm:w-1/3"
            >
              {item.group.name}
            </th>
            <td className="p-0">
              <span className="flex items-center gap-2">
                <span
                  className="h-6 min-w-1 rounded-r-md rounded-l-xs bg-accent"
                  style={{ width: `${(figureOf(item) / most) * 80}%` }}
                />
                <span className="text-sm tabular-nums">{number.format(figureOf(item))}</span>
              </span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
