import { useQuery } from '@tanstack/react-query';
import { listProviders } from '@/shared/api/account';
import { read } from '@/shared/api/conversations';
import { useSignedIn } from '@/shared/session/context';

export interface Provider {
  name: string;
  display_name: string;
  /** Who one is there, once that is linked. */
  linked: { email: string } | undefined;
}

/** Other places that one can sign in by; empty until they are known. */
export function useProviders(): Provider[] {
  const { api } = useSignedIn();
  const providers = useQuery({ queryKey: ['providers'], queryFn: listProviders });
  const identities = useQuery({
    queryKey: ['identities'],
    queryFn: async () => read(await api.accounts.GET('/api/account/identities')).identities,
  });
  if (!providers.data || !identities.data) return [];
  const linked = new Map(identities.data.map((identity) => [identity.provider, identity]));
  return providers.data.map((provider) => ({ ...provider, linked: linked.get(provider.name) }));
}
