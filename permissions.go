package passfort

// Capability is a permission of a user or an API key (sheet 3.9).
type Capability string

// Values of Capability. Some forty newer ones exist whose names are not public.
const (
	CapabilityRoot                         Capability = "ROOT"
	CapabilityEditProfile                  Capability = "EDIT_PROFILE"
	CapabilityReadProfile                  Capability = "READ_PROFILE"
	CapabilityCreateProfile                Capability = "CREATE_PROFILE"
	CapabilityDeleteProfile                Capability = "DELETE_PROFILE"
	CapabilityCreateRole                   Capability = "CREATE_ROLE"
	CapabilityEditRole                     Capability = "EDIT_ROLE"
	CapabilityDeleteRole                   Capability = "DELETE_ROLE"
	CapabilityEditProfileCollectedData     Capability = "EDIT_PROFILE_COLLECTED_DATA"
	CapabilityReadProfileCollectedData     Capability = "READ_PROFILE_COLLECTED_DATA"
	CapabilityReadProfileCollectionSteps   Capability = "READ_PROFILE_COLLECTION_STEPS"
	CapabilityEditProfileCollectionSteps   Capability = "EDIT_PROFILE_COLLECTION_STEPS"
	CapabilityEditDocumentImage            Capability = "EDIT_DOCUMENT_IMAGE"
	CapabilityReadDocumentImage            Capability = "READ_DOCUMENT_IMAGE"
	CapabilityUploadDocumentImage          Capability = "UPLOAD_DOCUMENT_IMAGE"
	CapabilityPurchaseFilingDocument       Capability = "PURCHASE_FILING_DOCUMENT"
	CapabilityCreateTaskNote               Capability = "CREATE_TASK_NOTE"
	CapabilityDeleteTaskNote               Capability = "DELETE_TASK_NOTE"
	CapabilityCustomAuthorNote             Capability = "CUSTOM_AUTHOR_NOTE"
	CapabilityAssignProductApplication     Capability = "ASSIGN_PRODUCT_APPLICATION"
	CapabilityReadProductApplication       Capability = "READ_PRODUCT_APPLICATION"
	CapabilityCreateProductApplication     Capability = "CREATE_PRODUCT_APPLICATION"
	CapabilityEditProductApplicationStatus Capability = "EDIT_PRODUCT_APPLICATION_STATUS"
	CapabilityCreateProfileTask            Capability = "CREATE_PROFILE_TASK"
	CapabilityEditConversation             Capability = "EDIT_CONVERSATION"
	CapabilityRunCheck                     Capability = "RUN_CHECK"
	CapabilityCreateProfileTag             Capability = "CREATE_PROFILE_TAG"
	CapabilityDeleteProfileTag             Capability = "DELETE_PROFILE_TAG"
	CapabilityReadTask                     Capability = "READ_TASK"
	CapabilityEditTaskCompletionStatus     Capability = "EDIT_TASK_COMPLETION_STATUS"
	CapabilityManagePEPAndSanctionsMatches Capability = "MANAGE_PEP_AND_SANCTIONS_MATCHES"
	CapabilitySearch                       Capability = "SEARCH"
	CapabilityCreateUser                   Capability = "CREATE_USER"
	CapabilityViewUsers                    Capability = "VIEW_USERS"
	CapabilityViewUser                     Capability = "VIEW_USER"
	CapabilityEditUser                     Capability = "EDIT_USER"
	CapabilityEditUserRole                 Capability = "EDIT_USER_ROLE"
	CapabilityEditUserPassword             Capability = "EDIT_USER_PASSWORD"
	CapabilityEditUserFilterSets           Capability = "EDIT_USER_FILTER_SETS"
	CapabilityViewApplication              Capability = "VIEW_APPLICATION"
	CapabilityEditPayment                  Capability = "EDIT_PAYMENT"
	CapabilityViewConfig                   Capability = "VIEW_CONFIG"
	CapabilityEditConfig                   Capability = "EDIT_CONFIG"
	CapabilityViewConfigCredentials        Capability = "VIEW_CONFIG_CREDENTIALS"
	CapabilityViewReport                   Capability = "VIEW_REPORT"
	CapabilityCreateReport                 Capability = "CREATE_REPORT"
	CapabilityDeleteReport                 Capability = "DELETE_REPORT"
	CapabilityEditReport                   Capability = "EDIT_REPORT"
	// CapabilityDataExport and CapabilityCreateCustomerRequest are newer than 2019.
	CapabilityDataExport            Capability = "DATA_EXPORT"
	CapabilityCreateCustomerRequest Capability = "CREATE_CUSTOMER_REQUEST"
)

// Known reports whether this version of the package has a constant for the value.
func (c Capability) Known() bool {
	switch c {
	case CapabilityRoot,
		CapabilityEditProfile,
		CapabilityReadProfile,
		CapabilityCreateProfile,
		CapabilityDeleteProfile,
		CapabilityCreateRole,
		CapabilityEditRole,
		CapabilityDeleteRole,
		CapabilityEditProfileCollectedData,
		CapabilityReadProfileCollectedData,
		CapabilityReadProfileCollectionSteps,
		CapabilityEditProfileCollectionSteps,
		CapabilityEditDocumentImage,
		CapabilityReadDocumentImage,
		CapabilityUploadDocumentImage,
		CapabilityPurchaseFilingDocument,
		CapabilityCreateTaskNote,
		CapabilityDeleteTaskNote,
		CapabilityCustomAuthorNote,
		CapabilityAssignProductApplication,
		CapabilityReadProductApplication,
		CapabilityCreateProductApplication,
		CapabilityEditProductApplicationStatus,
		CapabilityCreateProfileTask,
		CapabilityEditConversation,
		CapabilityRunCheck,
		CapabilityCreateProfileTag,
		CapabilityDeleteProfileTag,
		CapabilityReadTask,
		CapabilityEditTaskCompletionStatus,
		CapabilityManagePEPAndSanctionsMatches,
		CapabilitySearch,
		CapabilityCreateUser,
		CapabilityViewUsers,
		CapabilityViewUser,
		CapabilityEditUser,
		CapabilityEditUserRole,
		CapabilityEditUserPassword,
		CapabilityEditUserFilterSets,
		CapabilityViewApplication,
		CapabilityEditPayment,
		CapabilityViewConfig,
		CapabilityEditConfig,
		CapabilityViewConfigCredentials,
		CapabilityViewReport,
		CapabilityCreateReport,
		CapabilityDeleteReport,
		CapabilityEditReport,
		CapabilityDataExport,
		CapabilityCreateCustomerRequest:
		return true
	}
	return false
}
