"""Names that common CRM exports give to the contract's columns, to labels and to markers of nothing."""

from __future__ import annotations

from features.contracts import TableName

__all__ = ["FILE_NAMES", "LABEL_NAMES", "NULL_MARKERS", "TIME_FORMATS", "known_names"]

NULL_MARKERS = (
    "Select", "--None--", "-None-", "N/A", "n/a", "#N/A", "NULL", "null", "NaN", "nan", "(blank)",
    "(not set)", "undefined", "-", "--",
)  # fmt: skip
TIME_FORMATS = (
    "%m/%d/%Y", "%d/%m/%Y", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %I:%M %p", "%d/%m/%Y %I:%M %p", "%m/%d/%Y, %I:%M %p", "%d.%m.%Y", "%d.%m.%Y %H:%M",
    "%d.%m.%Y %H:%M:%S", "%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%d-%m-%Y", "%d-%m-%Y %H:%M",
    "%b %d, %Y", "%d %b %Y", "%d-%b-%Y", "%Y-%m-%d %I:%M %p", "%Y%m%d",
)  # fmt: skip
LABEL_NAMES = (
    "converted", "isconverted", "won", "iswon", "y", "target", "label", "iscustomer", "customer",
    "conversion", "outcome", "result", "dealstage", "opportunitystage", "stage", "stagename", "leadstatus",
    "status", "subscribed", "purchased", "bought", "response", "class",
)  # fmt: skip
# what a file's name says about its table; a history is told before the thing it is the history of
FILE_NAMES: dict[TableName, str] = {
    "field_changes": r"histor|change|audit",
    "outcomes": r"outcome|opportunit|deal|conversion|result|won",
    "events": r"event|activit|engagement|interaction|click|visit|touch|log",
    "accounts": r"account|compan|organi[sz]ation",
    "leads": r"lead|contact|prospect|person|people",
}
_LEAD = (
    "leadid recordid recordidcontact prospectid contactid personid customerid opportunityid dealid whoid "
    "leadkey donotmodifylead donotmodifycontact associatedcontactid associatedcontact leadguid leadnumber "
    "lead id"
)
_ACCOUNT = (
    "accountid companyid organizationid organisationid parentaccountid associatedcompanyid account "
    "companyrecordid"
)
_NAMES: dict[TableName, dict[str, str]] = {
    "leads": {
        "lead_id": _LEAD,
        "created_at": "createdat createddate createdate createdon creationdate datecreated created "
        "createdtime createtime createddatetime leadcreateddate signupdate signedupat dateadded engagedate "
        "entrydate",
        "account_id": f"{_ACCOUNT} company companyname organization organisation",
    },
    "events": {
        "lead_id": _LEAD,
        "occurred_at": "occurredat timestamp eventtime eventdate eventtimestamp activitydate activitytime "
        "ts datetime activitydatetime completeddate date time createddate createdate createdon createdat",
        "event_type": "eventtype activitytype eventname event activity activityname interactiontype action "
        "type task subject",
        "product": "product productname",
        "channel": "channel medium",
        "value": "value eventvalue",
        "recorded_at": "recordedat loadedat ingestedat receivedat syncedat",
    },
    "outcomes": {
        "lead_id": _LEAD,
        "occurred_at": "occurredat outcometime outcomedate closedate closeddate closedat converteddate "
        "convertedat actualclosedate timestamp date time lastmodifieddate modifiedon",
        "outcome": "outcome result stage stagename dealstage opportunitystage status statusreason state",
        "amount": "amount dealamount closevalue dealvalue actualrevenue actualvalue revenue value",
        "product": "product productname",
        "target": "target",
    },
    "accounts": {
        "account_id": f"{_ACCOUNT} recordid id company companyname organization organisation",
        "is_priority": "ispriority targetaccount priorityaccount",
    },
    "field_changes": {
        "lead_id": _LEAD,
        "account_id": _ACCOUNT,
        "changed_at": "changedat changedate changedon editdate modifiedat timestamp createddate date time",
        "field": "field fieldname fieldevent property propertyname attribute column",
        "new_value": "newvalue tovalue valueto new value",
        "old_value": "oldvalue fromvalue valuefrom old originalvalue",
    },
}


def known_names(table: TableName, column: str) -> list[str]:
    """Plain names a column of the contract goes by, the surest first.

    Examples
    --------
    >>> known_names("events", "channel")
    ['channel', 'medium']
    """
    own = column.replace("_", "")
    return list(dict.fromkeys([own, *_NAMES[table].get(column, "").split()]))
