"""What administrators do: users, roles, machines that call, the organisation, tenants, scales, calendars and texts."""

from qs.interface.dashboard.administration.calendars import (
    calendar_page,
    calendars_page,
    delete_calendar,
    save_calendar,
)
from qs.interface.dashboard.administration.machines import (
    create_account,
    create_key,
    do_with_account,
    machines_page,
    revoke_key,
)
from qs.interface.dashboard.administration.organisation import organisation_page, save_organisation
from qs.interface.dashboard.administration.roles import roles_page
from qs.interface.dashboard.administration.scales import add_scale, scales_page
from qs.interface.dashboard.administration.tenants import (
    create_tenant,
    save_tenant,
    tenant_page,
    tenants_page,
    turn_page,
    turn_tenant,
)
from qs.interface.dashboard.administration.texts import (
    preview_text,
    reset_text,
    save_text,
    text_page,
    texts_page,
)
from qs.interface.dashboard.administration.users import create_user, do_with_user, users_page

administration_pages = (
    users_page,
    create_user,
    do_with_user,
    roles_page,
    machines_page,
    create_account,
    do_with_account,
    create_key,
    revoke_key,
    organisation_page,
    save_organisation,
    tenants_page,
    create_tenant,
    tenant_page,
    save_tenant,
    turn_page,
    turn_tenant,
    scales_page,
    add_scale,
    calendars_page,
    save_calendar,
    calendar_page,
    delete_calendar,
    texts_page,
    text_page,
    save_text,
    preview_text,
    reset_text,
)
